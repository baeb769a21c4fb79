"""Texts of a book: scenes, outline, brief and all else, each with its versions."""

from typing import Annotated

from fastapi import APIRouter, Query

from bookbot_web.api.answers import Document, known
from bookbot_web.database import Db
from shared.views import get_book, jsonable
from shared.views.chunks import get_chunk, list_texts
from shared.views.chunks import list_versions as newest_versions

router = APIRouter(tags=["books"])

Version = Annotated[int | None, Query(ge=1, le=2**31 - 1)]


@router.get("/books/{book_id}/texts", summary="What a book has besides scenes, without the texts")
def texts(book_id: str, db: Db) -> Document:
    """Brief, style, outline, characters, settings, bots, tasks and reviews, in reading order."""
    with db.reading() as session:
        ident = get_book(session, known("book", book_id))["book_id"]
        return {"texts": jsonable(list_texts(session, ident))}


@router.get("/chunks/{chunk_id}", summary="The text of a scene, or of anything else in a book")
def text(chunk_id: str, db: Db, version: Version = None) -> Document:
    """Every column of the latest version, or of the one asked for."""
    with db.reading() as session:
        found: Document = jsonable(get_chunk(session, known("chunk", chunk_id), version))
    return found


@router.get("/chunks/{chunk_id}/versions", summary="The versions of a text, newest first")
def list_versions(chunk_id: str, db: Db, before: Version = None) -> Document:
    """At most 100, each with the job that made it; `next_before` is the `before` of the next page."""
    with db.reading() as session:
        ident = get_chunk(session, known("chunk", chunk_id))["chunk_id"]
        rows = newest_versions(session, ident, before=before, limit=100)
    return {"versions": jsonable(rows), "next_before": rows[-1]["version"] if len(rows) == 100 else None}
