"""The list of books, and a new one from a brief."""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.exc import IntegrityError

import shared
from bookbot_web.database import Db
from bookbot_web.flash import redirect
from bookbot_web.forms import Form, text_of
from bookbot_web.live import cursor_for_lists
from bookbot_web.rendering import render
from shared.enqueue import create_job
from shared.errors import InvalidInput
from shared.ids import check_id, new_id
from shared.models import Book
from shared.new_book import create_book
from shared.views.shelf import list_shelf

router = APIRouter()

EXAMPLES = Path(shared.__file__).parent / "examples"
FIELDS = ("title", "brief", "style", "author", "language")


@router.get("/books")
def books(request: Request, db: Db, before: str = "") -> Response:
    """A page of the list, newest first."""
    with db.reading() as session:
        cursor = cursor_for_lists(session, ("books",))
        shelf = list_shelf(session, before=before or None)
        return render(request, "books.html", here="books", cursor=cursor, shelf=shelf, before=before)


@router.get("/books/new")
def new_book(request: Request, example: str = "") -> Response:
    """The form, empty or filled with the example."""
    values = dict.fromkeys(FIELDS, "")
    if example:
        values |= {name: (EXAMPLES / f"{name}.md").read_text(encoding="utf-8") for name in ("brief", "style")}
    return _form(request, values)


@router.post("/books/new")
def create(request: Request, form: Form, db: Db) -> Response:
    """Store the book and its first job in one transaction; the same form sent twice is one book."""
    values = {name: text_of(form, name) or "" for name in FIELDS}
    wrong = {name: "is needed" for name in ("title", "brief", "style") if not values[name]}
    if wrong:
        return _form(request, values, wrong)
    try:
        book_id = check_id("book_id", text_of(form, "book_id") or new_id())
        with db.writing() as session:
            if session.get(Book, book_id) is None:
                create_book(
                    session, values["title"], values["brief"], values["style"], author=values["author"] or None,
                    language=values["language"] or None, book_id=book_id,
                )  # fmt: skip
                if text_of(form, "start") is not None:
                    create_job(job_type="create_foundation", book_id=book_id, session=session)
    except InvalidInput as error:
        return _form(request, values, {error.field: error.reason})
    except IntegrityError:
        pass  # the other half of a double click was quicker
    return redirect(request, f"/books/{book_id}", said="The book is there; its foundation is laid next.")


def _form(request: Request, values: dict[str, str], wrong: dict[str, str] | None = None) -> Response:
    return render(
        request,
        "new_book.html",
        422 if wrong else 200,
        here="books",
        values=values,
        wrong=wrong or {},
        book_id=new_id(),
    )
