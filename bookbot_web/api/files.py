"""Finished files: what there is, and the bytes of one, always as a download."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Response

from bookbot_web.api.answers import Document, Limit, known
from bookbot_web.database import Db
from shared.views import get_file, jsonable
from shared.views import list_files as newest_files

router = APIRouter(tags=["files"])

Ident = Annotated[str | None, Query(max_length=100)]


@router.get("/files", summary="List finished files, newest first")
def list_files(db: Db, book_id: Ident = None, job_id: Ident = None, limit: Limit = 50) -> Document:
    """Without their content."""
    with db.reading() as session:
        return {"files": jsonable(newest_files(session, book_id=book_id, job_id=job_id, limit=limit))}


@router.get(
    "/files/{file_id}",
    summary="Download a finished file",
    response_class=Response,
    responses={200: {"description": "The bytes", "content": {"*/*": {}}}},
)
def download(file_id: str, db: Db) -> Response:
    """The bytes, always as a download: a browser never shows a book's markup under this origin."""
    with db.reading() as session:
        found = get_file(session, known("file", file_id))
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in found["name"])
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(found['name'], safe='')}"
    return Response(found["content"], media_type=found["media_type"], headers={"Content-Disposition": disposition})
