"""One text of a book, to read: its versions, who made them, what changed between any two, and what can be done next."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from bookbot_web.database import Db
from bookbot_web.live import cursor_for_lists
from bookbot_web.prose import as_prose
from bookbot_web.rendering import render
from bookbot_web.word_diff import compare
from shared.errors import NotFound
from shared.job_types import MODES
from shared.states import ACTIVE
from shared.views.board import book_row, lock_holder
from shared.views.chunks import chunk_jobs, get_chunk, list_versions, neighbours

router = APIRouter()

LARGEST_VERSION = 2**31 - 1


@router.get("/chunks/{chunk_id}")
def chunk(request: Request, chunk_id: str, db: Db, version: str = "", before: str = "") -> HTMLResponse:
    """The latest version, or `version`; `before` pages through the list of versions."""
    with db.reading() as session:
        shown = get_chunk(session, chunk_id, _number(version, chunk_id))
        known, book_id = shown["chunk_id"], shown["book_id"]
        cursor = cursor_for_lists(session, ("books",), book_id)
        latest = shown if shown["is_latest"] else get_chunk(session, known)
        review = shown["props"].get("review")
        jobs = chunk_jobs(session, shown)
        return render(
            request, "chunk.html", here="books", cursor=cursor, chunk=shown, latest=latest,
            book=book_row(session, book_id), prose=as_prose(shown["text"]),
            review=as_prose(review, heading=3) if isinstance(review, str) and review.strip() else None,
            versions=list_versions(session, known, before=_number(before, chunk_id)), before=before,
            around=neighbours(session, shown) if shown["type"] == "scene" else {"previous": None, "next": None},
            lock=lock_holder(session, latest["locked_by_job_id"]), jobs=jobs,
            active=next((job for job in jobs if job["state"] in ACTIVE), None),
            modes=MODES if latest["text"].strip() else MODES[:1],
        )  # fmt: skip


@router.get("/chunks/{chunk_id}/changes")
def changes(request: Request, chunk_id: str, db: Db, old: str = "", new: str = "") -> HTMLResponse:
    """What changed from version `old` to version `new`: the latest, from the one before, where they are not given."""
    with db.reading() as session:
        later = get_chunk(session, chunk_id, _number(new, chunk_id))
        number = _number(old, chunk_id)
        earlier = get_chunk(session, chunk_id, max(1, later["version"] - 1) if number is None else number)
        return render(
            request, "changes.html", here="books", book=book_row(session, later["book_id"]), chunk=later,
            old=earlier, new=later, diff=compare(earlier["text"], later["text"]),
            versions=list_versions(session, later["chunk_id"]),
        )  # fmt: skip


def _number(given: str, chunk_id: str) -> int | None:
    """The version an address names. Raises NotFound where it is no number."""
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 11 and int(given) <= LARGEST_VERSION):
        raise NotFound(f"version {given[:20]!r} of the text", chunk_id)
    return int(given)
