"""Starting a job about a book: its form is made from the model of its props."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from bookbot_web.database import Db
from bookbot_web.flash import redirect
from bookbot_web.forms import Form, text_of
from bookbot_web.props_form import Field, blame, fields_of, read_props
from bookbot_web.rendering import render
from shared.covers import MAX_BYTES
from shared.enqueue import create_job
from shared.errors import InvalidInput, NotFound, UnknownJobType
from shared.ids import new_id
from shared.job_types import JobType, catalogue
from shared.states import LockScope
from shared.views import list_files, parse_instant
from shared.views.board import book_row
from shared.views.chunks import get_chunk, list_texts

router = APIRouter()

_ABOUT = {"chunk_id"}
"""Props that say what the job is about: the page knows, nobody types them."""


@router.get("/books/{book_id}/start/{job_type}")
def form(request: Request, book_id: str, job_type: str, db: Db, chunk_id: str = "") -> Response:
    """The form; further names of the address fill its fields (mode=edit, cover=…)."""
    known = _job_type(job_type)
    fields = fields_of(known.props, without=_ABOUT, given=dict(request.query_params))
    with db.reading() as session:
        return _page(request, session, book_row(session, book_id), known, _chunk(session, known, chunk_id), fields)


@router.post("/books/{book_id}/start/{job_type}")
def start(request: Request, book_id: str, job_type: str, form: Form, db: Db) -> Response:
    """Enqueue it. The same form sent twice is one job, while that job is active."""
    known = _job_type(job_type)
    fields = fields_of(known.props, without=_ABOUT)
    typed = {name: text_of(form, name) or "" for name in ("priority", "run_at", "once")}
    with db.reading() as session:
        book = book_row(session, book_id)
        chunk = _chunk(session, known, text_of(form, "chunk_id") or "")
    wrong: dict[str, str] = {}
    try:
        props = read_props(known.props, fields, form)
        if props is not None:
            with db.writing() as session:
                job = create_job(
                    job_type=known.name, book_id=book["book_id"], chunk_id=chunk["chunk_id"] if chunk else None,
                    props=props, priority=_priority(typed["priority"]), session=session,
                    run_at=parse_instant("run_at", typed["run_at"]) if typed["run_at"] else None,
                    unique_key=f"form {typed['once'][:40]}" if typed["once"] else None,
                )  # fmt: skip
            return redirect(request, f"/jobs/{job.job_id}", said="It is enqueued.")
    except InvalidInput as error:
        if not blame(fields, error):
            wrong[error.field if error.field in typed else "props"] = error.reason
    with db.reading() as session:
        return _page(request, session, book, known, chunk, fields, typed, wrong)


def _page(
    request: Request,
    session: Session,
    book: dict[str, Any],
    job_type: JobType,
    chunk: dict[str, Any] | None,
    fields: list[Field],
    typed: dict[str, str] | None = None,
    wrong: dict[str, str] | None = None,
) -> Response:
    texts = list_texts(session, book["book_id"])
    names = {
        kind: [text["name"] for text in texts if text["type"] == kind and text["name"]] for kind in ("bot", "task")
    }
    covers = [file for file in list_files(session, book_id=book["book_id"]) if file["format"] == "cover"]
    is_wrong = bool(wrong) or any(field.wrong for field in fields)
    if job_type.name == "export_book":
        for field in fields:
            if field.name == "cover":
                field.kind, field.help = "select", "a picture kept with the book"
                field.options = [("", None), *((file["file_id"], file["file_id"]) for file in covers)]
    return render(
        request, "start_job.html", 422 if is_wrong else 200, here="books", book=book, job_type=job_type, chunk=chunk,
        fields=fields, names=names, covers={file["file_id"]: file["name"] for file in covers},
        typed=typed or {"priority": "", "run_at": "", "once": new_id()}, wrong=wrong or {}, largest_cover=MAX_BYTES,
    )  # fmt: skip


def _job_type(name: str) -> JobType:
    """Raises NotFound for a name that is in no catalogue."""
    try:
        return catalogue().get(name)
    except UnknownJobType:
        raise NotFound("job type", name) from None


def _chunk(session: Session, job_type: JobType, chunk_id: str) -> dict[str, Any] | None:
    """What the job is about, where it is about one chunk. Raises NotFound."""
    if job_type.locks is not LockScope.CHUNK and not chunk_id:
        return None
    return get_chunk(session, chunk_id)


def _priority(text: str) -> int:
    """Raises InvalidInput; what fits is for `create_job` to say."""
    try:
        return int(text) if text and len(text) < 12 else (0 if not text else int("x"))
    except ValueError:
        raise InvalidInput("priority", "must be a whole number") from None
