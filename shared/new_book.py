"""A new book from two texts: the row and its brief and style chunks, all or nothing; and how any chunk begins."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from shared import words
from shared.errors import InvalidInput
from shared.ids import new_id
from shared.job_types import LANGUAGE_TAG
from shared.models import Book, Chunk
from shared.text import check_text

POSITIONS = {"brief": -60.0, "style": -50.0, "outline": -40.0, "characters": -30.0, "settings": -20.0}
"""Where the chunks of a book stand: scenes count from 1, all that is about the book comes before them."""


def checked_title(title: str) -> str:
    """The title as it is stored, on one line. Raises InvalidInput."""
    return _one_line("title", title, 500)


def create_book(
    session: Session,
    title: str,
    brief: str,
    style: str,
    *,
    author: str | None = None,
    language: str | None = None,
    book_id: str | None = None,
) -> Book:
    """Add the book to the session, for `create_foundation` to work from. Raises InvalidInput.

    `book_id` is for callers that must know it beforehand. `author` and `language` (a BCP 47 tag) are what its exports
    say where nothing else is given.
    """
    props = {}
    if author is not None:
        props["author"] = _one_line("author", author, 200)
    if language is not None:
        if not re.fullmatch(LANGUAGE_TAG, language):
            raise InvalidInput("language", f"{language[:40]!r} is no language tag such as en or pt-BR")
        props["language"] = language
    book = Book(book_id=book_id or new_id(), title=checked_title(title), props=props)
    session.add(book)
    session.flush()
    for kind, text in (("brief", brief), ("style", style)):
        add_chunk(session, book.book_id, kind, text, job_id=None, position=POSITIONS[kind])
    return book


def add_chunk(
    session: Session,
    book_id: str,
    type_: str,
    text: str,
    *,
    job_id: str | None,
    position: float = 0.0,
    chapter: int | None = None,
    props: Mapping[str, Any] | None = None,
) -> Chunk:
    """The first version of a new chunk."""
    chunk = Chunk(
        chunk_id=new_id(),
        version=1,
        book_id=book_id,
        is_latest=True,
        type=type_,
        text=text,
        chapter=chapter,
        position=position,
        word_count=words.count(text),
        props=dict(props or {}),
        job_id=job_id,
    )
    session.add(chunk)
    return chunk


def _one_line(field: str, text: str, limit: int) -> str:
    line = " ".join(check_text(field, text, limit).split())
    if not line:
        raise InvalidInput(field, "is empty")
    return line
