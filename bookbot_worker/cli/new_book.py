"""A new book from two texts: the row and its brief and style chunks, all or nothing."""

from sqlalchemy.orm import Session

from bookbot_worker.books.words import count
from shared.errors import InvalidInput
from shared.ids import new_id
from shared.models import Book, Chunk
from shared.text import check_text


def checked_title(title: str) -> str:
    """The title as it is stored, on one line. Raises InvalidInput."""
    title = " ".join(check_text("title", title, 500).split())
    if not title:
        raise InvalidInput("title", "is empty")
    return title


def create_book(session: Session, title: str, brief: str, style: str) -> Book:
    """Add the book to the session, for `create_foundation` to work from. Raises InvalidInput."""
    book = Book(book_id=new_id(), title=checked_title(title), props={})
    session.add(book)
    session.flush()
    for position, (kind, text) in enumerate([("brief", brief), ("style", style)]):
        chunk = Chunk(
            chunk_id=new_id(),
            version=1,
            book_id=book.book_id,
            is_latest=True,
            type=kind,
            text=text,
            position=float(position),
            word_count=count(text),
            props={},
            is_deleted=False,
        )
        session.add(chunk)
    return book
