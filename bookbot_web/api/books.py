"""Books: list them, look at one, begin one."""

from fastapi import APIRouter, Request, Response

from bookbot_web.api.answers import Document, Limit, job_document, known
from bookbot_web.api.bodies import NewBookBody, RawBody, described, read_body
from bookbot_web.database import Db
from bookbot_web.rendering import address
from shared.enqueue import create_job
from shared.new_book import create_book
from shared.views import get_book, jsonable
from shared.views import list_books as newest_books

router = APIRouter(tags=["books"])


@router.get("/books", summary="List books, newest first")
def list_books(db: Db, limit: Limit = 50) -> Document:
    """Books with their scenes and words."""
    with db.reading() as session:
        return {"books": jsonable(newest_books(session, limit=limit))}


@router.post("/books", status_code=201, summary="Begin a book", openapi_extra=described(NewBookBody))
def begin_book(request: Request, body: RawBody, db: Db, response: Response) -> Document:
    """The book, and the `job` that lays its foundation (null without `start`): both or neither."""
    asked = read_body(NewBookBody, body)
    with db.writing() as session:
        book = create_book(session, asked.title, asked.brief, asked.style, author=asked.author, language=asked.language)
        job = None
        if asked.start:
            job = create_job(job_type="create_foundation", book_id=book.book_id, session=session)
        session.flush()
        found = jsonable(get_book(session, book.book_id))
        answer = {**found, "job": job and job_document(session, job.job_id)}
    response.headers["Location"] = address(request, f"/api/books/{answer['book_id']}")
    return answer


@router.get("/books/{book_id}", summary="One book, with chapters and scenes")
def show_book(book_id: str, db: Db) -> Document:
    """A book without its texts."""
    with db.reading() as session:
        found: Document = jsonable(get_book(session, known("book", book_id)))
    return found
