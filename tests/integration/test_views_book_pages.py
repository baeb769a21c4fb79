"""What the pages of books are made of, on both databases."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from bookbot_worker.jobs.versions import add_version
from shared.enqueue import create_job
from shared.errors import InvalidInput, NotFound
from shared.ids import new_id
from shared.models import Book, Chunk, Job
from shared.new_book import add_chunk, create_book
from shared.views.board import DEFAULT_TARGET, book_row, chapters_of, lock_holder
from shared.views.chunks import chunk_jobs, get_chunk, list_texts, list_versions, neighbours
from shared.views.shelf import list_shelf

pytestmark = pytest.mark.integration


def scene(session: Session, book_id: str, position: float, text: str = "", **props: Any) -> Chunk:
    chunk = add_chunk(session, book_id, "scene", text, job_id=None, position=position, chapter=1, props=props)
    session.flush()
    return chunk


def job(session: Session, chunk: Chunk, state: str = "waiting", mode: str | None = None) -> str:
    props = {"mode": mode} if mode else {}
    job_id = create_job(
        job_type="generate_chunk", book_id=chunk.book_id, chunk_id=chunk.chunk_id, props=props, session=session
    ).job_id
    session.flush()
    worker = {"worker_id": new_id(), "claim_id": new_id()} if state == "running" else {}
    ended = {"completed_at": datetime.now(UTC)} if state not in ("waiting", "running") else {}
    session.execute(update(Job).where(Job.job_id == job_id).values({"state": state, **worker, **ended}))
    return job_id


def test_the_shelf_pages_newest_first_and_counts_scenes(session: Session) -> None:
    books = [create_book(session, f"Book {number}", "b", "s").book_id for number in range(3)]
    written = scene(session, books[0], 1, "Three little words.")
    scene(session, books[0], 2)
    running = job(session, written, "running")
    first = list_shelf(session, limit=2)
    second = list_shelf(session, limit=2, before=first.next_before)
    assert [row["book_id"] for row in first.books] == [books[2], books[1]]
    [row] = second.books
    assert second.next_before is None
    assert (row["book_id"], row["scenes"], row["scenes_written"], row["words"]) == (books[0], 2, 1, 3)
    assert [one["job_id"] for one in row["jobs"]] == [running]
    assert row["last_activity"] >= row["created_at"]
    assert (first.books[0]["scenes"], first.books[0]["jobs"]) == (0, [])
    with pytest.raises(InvalidInput):
        list_shelf(session, before="x")


def test_a_scene_stands_as_its_words_its_lock_and_its_newest_job_say(session: Session, book_id: str) -> None:
    states: dict[str, str] = {}
    for number, (expected, text, jobs) in enumerate(
        [
            ("empty", "", []),
            ("written", "One two.", ["completed"]),
            ("waiting", "", ["failed", "waiting"]),
            ("being written", "One.", ["running", "waiting"]),
            ("failed", "", ["completed", "error"]),
            ("failed", "", ["failed"]),
            ("empty", "", ["cancelled"]),
        ]
    ):
        chunk = scene(session, book_id, number, text)
        states[chunk.chunk_id] = expected
        for state in jobs:
            job(session, chunk, state)
    held = scene(session, book_id, 99)
    session.execute(update(Chunk).where(Chunk.chunk_id == held.chunk_id).values(locked_by_job_id=new_id()))
    states[held.chunk_id] = "locked"
    [chapter] = chapters_of(session, book_id)
    assert {one["chunk_id"]: one["state"] for one in chapter.scenes} == states
    assert [one["number"] for one in chapter.scenes] == list(range(1, 9))
    assert chapter.states["failed"] == 2
    assert {one["state"] for one in chapter.scenes if one["job"]} == {"waiting", "being written", "failed"}


def test_chapters_sum_words_and_targets_and_forgive_odd_props(session: Session, book_id: str) -> None:
    scene(session, book_id, 1, "One two.", target_words=300, title="A", chapter_title="Water")
    scene(session, book_id, 2, target_words="soon", title={"odd": 1})
    add_chunk(session, book_id, "scene", "x", job_id=None, position=3)
    session.flush()
    first, outside = chapters_of(session, book_id)
    assert (first.number, first.title, first.words, first.target) == (1, "Water", 2, 300 + DEFAULT_TARGET)
    assert outside.number is None
    assert chapters_of(session, new_id()) == []


def test_versions_name_the_job_that_made_them(session: Session, book_id: str) -> None:
    chunk = scene(session, book_id, 1)
    by = job(session, chunk, "completed"), job(session, chunk, "completed", "edit")
    second = add_version(session, chunk, "One two.", job_id=by[0])
    session.flush()
    add_version(session, second, "One two three.", job_id=by[1])
    session.flush()
    rows = list_versions(session, chunk.chunk_id)
    assert [(row["version"], row["mode"], row["word_count"]) for row in rows] == [
        (3, "edit", 3),
        (2, "write", 2),
        (1, None, 0),
    ]
    assert [row["is_latest"] for row in rows] == [True, False, False]
    assert [row["version"] for row in list_versions(session, chunk.chunk_id, before=3, limit=1)] == [2]
    assert get_chunk(session, chunk.chunk_id)["text"] == "One two three."
    assert get_chunk(session, chunk.chunk_id, 2)["text"] == "One two."
    assert [row["job_id"] for row in chunk_jobs(session, get_chunk(session, chunk.chunk_id))] == [*by][::-1]
    for ident, version in ((chunk.chunk_id, 9), (new_id(), None), ("x", None)):
        with pytest.raises(NotFound):
            get_chunk(session, ident, version)


def test_scenes_know_their_neighbours_where_positions_are_the_same_too(session: Session, book_id: str) -> None:
    scenes = [scene(session, book_id, position, title=name) for position, name in ((1, "a"), (1, "b"), (2, "c"))]
    add_chunk(session, book_id, "outline", "x", job_id=None, position=0.5)
    session.flush()
    around = [neighbours(session, get_chunk(session, one.chunk_id)) for one in scenes]
    named = [tuple(end and end["title"] for end in (one["previous"], one["next"])) for one in around]
    assert named == [(None, "b"), ("a", "c"), ("b", None)]


def test_texts_are_listed_without_scenes_and_locks_name_their_job(session: Session) -> None:
    book = create_book(session, "Book", "b", "s")
    chunk = scene(session, book.book_id, 1)
    assert [row["type"] for row in list_texts(session, book.book_id)] == ["brief", "style"]
    job_id = job(session, chunk, "running", "rewrite")
    assert lock_holder(session, job_id) == {"job_id": job_id, "job_type": "generate_chunk", "mode": "rewrite"}
    assert lock_holder(session, None) is None
    gone = new_id()
    assert lock_holder(session, gone) == {"job_id": gone, "job_type": "job", "mode": None}
    assert book_row(session, book.book_id)["title"] == "Book"
    for ident in ("x", new_id()):
        with pytest.raises(NotFound):
            book_row(session, ident)


def test_scenes_and_jobs_of_other_books_are_not_on_the_board(session: Session, book_id: str) -> None:
    other = Book(book_id=new_id(), title="Other")
    session.add(other)
    session.flush()
    job(session, scene(session, other.book_id, 1, "x"), "running")
    assert chapters_of(session, book_id) == []
