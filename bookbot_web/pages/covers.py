"""Pictures for the covers of a book: taken from a form, looked at, and kept with the book."""

from pathlib import PurePath

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import UploadFile

from bookbot_web.database import Db
from bookbot_web.flash import redirect
from bookbot_web.forms import Form
from bookbot_web.rendering import render
from shared.covers import MAX_BYTES, cover_of
from shared.errors import InvalidInput
from shared.pictures import keep_cover
from shared.views.board import book_row

router = APIRouter()


@router.post("/books/{book_id}/covers")
def upload(request: Request, book_id: str, form: Form, db: Db) -> Response:
    """Keep the picture, and lead on to an export with it."""
    with db.reading() as session:
        book = book_row(session, book_id)
    given = form.get("picture")
    try:
        if not isinstance(given, UploadFile) or not given.filename:
            raise InvalidInput("picture", "choose a picture first")
        cover = cover_of(given.file.read(MAX_BYTES + 1))
        with db.writing() as session:
            name = PurePath(given.filename.replace("\\", "/")).stem
            file_id = keep_cover(session, book["book_id"], cover, name).file_id
    except InvalidInput as error:
        return render(request, "cover.html", 422, here="books", book=book, wrong=error.reason, largest_cover=MAX_BYTES)
    return redirect(
        request,
        f"/books/{book['book_id']}/start/export_book?cover={file_id}",
        said="The picture is kept with the book.",
    )
