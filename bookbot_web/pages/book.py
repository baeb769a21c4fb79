"""One book: its board of scenes, its texts, its jobs, its files, and what can be done with it."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from bookbot_web.database import Db
from bookbot_web.live import cursor_for_lists
from bookbot_web.rendering import render
from shared.job_types import catalogue
from shared.states import LockScope
from shared.views import cost_of_book, list_files, list_jobs
from shared.views.board import STATES, Chapter, book_row, chapters_of, lock_holder
from shared.views.chunks import list_texts

router = APIRouter()

ALL_OPEN = 60
"""Up to so many scenes, every chapter is open at first."""

DRAWN = 400
"""Scenes that are drawn; of a larger book, one chapter at a time, by its address."""


@router.get("/books/{book_id}")
def book(request: Request, book_id: str, db: Db, chapter: str = "", start: int = 0) -> HTMLResponse:
    """The page; `chapter` (from 1, in the order of the board) and `start` choose the scenes drawn of a large book."""
    with db.reading() as session:
        row = book_row(session, book_id)
        known = row["book_id"]
        topics = ("jobs", "books")
        cursor = cursor_for_lists(session, topics, known)
        chapters = chapters_of(session, known)
        files = list_files(session, book_id=known)
        return render(
            request, "book.html", here="books", cursor=cursor, book=row, states=STATES, starts=startable(),
            lock=lock_holder(session, row["locked_by_job_id"]), texts=list_texts(session, known),
            jobs=list_jobs(session, book_id=known, limit=10), cost=cost_of_book(session, known),
            newest=newest_of(files), older=older_of(files),
            covers=[file for file in files if file["format"] == "cover"],
            **_board(chapters, chapter, max(0, start)),
        )  # fmt: skip


def startable() -> list[Any]:
    """The job types a book can be given as a whole."""
    return [job_type for job_type in catalogue() if job_type.needs_book and job_type.locks is not LockScope.CHUNK]


def newest_of(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each format the newest file; `files` begin with the newest."""
    found: dict[str, dict[str, Any]] = {}
    for file in files:
        if file["format"] != "cover":
            found.setdefault(file["format"], file)
    return list(found.values())


def older_of(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The other exports."""
    newest = {file["file_id"] for file in newest_of(files)}
    return [file for file in files if file["format"] != "cover" and file["file_id"] not in newest]


def _board(chapters: list[Chapter], chosen: str, start: int) -> dict[str, Any]:
    """What is drawn of the chapters, and the sums of all."""
    total = sum(len(chapter.scenes) for chapter in chapters)
    counts = {state: sum(chapter.states.get(state, 0) for chapter in chapters) for state in STATES}
    is_large = total > DRAWN
    number = int(chosen) if chosen.isascii() and chosen.isdigit() and len(chosen) < 8 else 0
    drawn = [not is_large or index == number for index in range(1, len(chapters) + 1)]
    return {
        "chapters": chapters,
        "scenes": total,
        "words": sum(chapter.words for chapter in chapters),
        "written": sum(1 for chapter in chapters for scene in chapter.scenes if scene["word_count"]),
        "target": sum(chapter.target for chapter in chapters),
        "counts": counts,
        "is_large": is_large,
        "drawn": drawn,
        "is_open": [
            shown and (is_large or total <= ALL_OPEN or bool(chapter.states.get("being written")))
            for shown, chapter in zip(drawn, chapters, strict=True)
        ],
        "start": start if is_large else 0,
        "page_size": DRAWN,
        "live_query": f"?chapter={number}&start={start}" if is_large and number else "",
    }
