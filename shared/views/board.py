"""A book as a board: its chapters, and how each of its scenes stands, by its words, its lock and its newest job.

Texts are never read here: the board of 5,000 scenes is a few columns of each.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.errors import InvalidInput, NotFound
from shared.ids import check_id
from shared.job_types import GenerateChunkProps
from shared.models import Book, Chunk, Job
from shared.states import JobState

STATES = ("empty", "waiting", "being written", "written", "failed", "locked")
"""How a scene can stand. "failed": its newest job went wrong. "locked": held by a job that is not writing it."""

JOBS_LOOKED_AT = 20_000
"""So many of a book's newest jobs about single scenes are looked at."""

DEFAULT_TARGET = int(GenerateChunkProps.model_fields["target_words"].default)
"""Words of a scene nobody has set a target for."""

_WENT_WRONG = (JobState.FAILED, JobState.ERROR)


@dataclass(slots=True)
class Chapter:
    """Scenes that follow each other under one number; None: outside chapters."""

    number: int | None
    title: str = ""
    scenes: list[dict[str, Any]] = field(default_factory=list)
    words: int = 0
    target: int = 0
    states: dict[str, int] = field(default_factory=dict)

    def add(self, scene: dict[str, Any]) -> None:
        """One more scene, counted."""
        self.scenes.append(scene)
        self.words += scene["word_count"]
        self.target += scene["target"]
        self.states[scene["state"]] = self.states.get(scene["state"], 0) + 1


def book_row(session: Session, book_id: str) -> dict[str, Any]:
    """The columns of a book. Raises NotFound, also for what is no id."""
    query = select(*Book.__table__.columns).where(Book.book_id == known_id("book", book_id))
    row = session.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound("book", book_id)
    return dict(row)


def known_id(kind: str, given: str) -> str:
    """The id in an address. Raises NotFound where it is none."""
    try:
        return check_id(kind, given)
    except InvalidInput:
        raise NotFound(kind, given) from None


def chapters_of(session: Session, book_id: str) -> list[Chapter]:
    """The chapters in reading order, each with its scenes.

    A scene is `number` (from 1, in the book), `chunk_id`, `version`, `chapter`, `word_count`, `title` (may be empty),
    `locked_by_job_id`, `target` (words), `state` (one of STATES) and `job`: the job about it that waits, runs or went
    wrong ({`job_id`, `state`, `mode`}), else None.
    """
    query = (
        select(
            Chunk.chunk_id,
            Chunk.version,
            Chunk.chapter,
            Chunk.word_count,
            Chunk.locked_by_job_id,
            Chunk.props["title"].as_string().label("title"),
            Chunk.props["chapter_title"].as_string().label("chapter_title"),
            Chunk.props["target_words"].as_string().label("target"),
        )
        .where(Chunk.book_id == book_id, Chunk.type == "scene", Chunk.is_latest, ~Chunk.is_deleted)
        .order_by(Chunk.position, Chunk.chunk_id)
    )
    jobs = newest_jobs(session, book_id)
    chapters: list[Chapter] = []
    for number, row in enumerate(session.execute(query).mappings(), 1):
        job = jobs.get(row["chunk_id"])
        state = scene_state(row["word_count"], row["locked_by_job_id"], job)
        is_told = job is not None and (state in ("waiting", "being written", "failed") or job["state"] == "running")
        if not chapters or chapters[-1].number != row["chapter"]:
            chapters.append(Chapter(row["chapter"], row["chapter_title"] or ""))
        chapters[-1].add(
            {**row, "number": number, "title": row["title"] or "", "target": _target(row["target"]), "state": state}
            | {"job": job if is_told else None}
        )
    return chapters


def newest_jobs(session: Session, book_id: str) -> dict[str, dict[str, Any]]:
    """For each chunk of a book: the newest job about it; one that runs goes before one that was enqueued later."""
    query = (
        select(Job.chunk_id, Job.job_id, Job.state, Job.props["mode"].as_string().label("mode"))
        .where(Job.book_id == book_id, Job.chunk_id.is_not(None))
        .order_by(Job.job_id.desc())
        .limit(JOBS_LOOKED_AT)
    )
    newest: dict[str, dict[str, Any]] = {}
    for row in session.execute(query).mappings():
        if row["chunk_id"] not in newest or row["state"] == JobState.RUNNING:
            newest[row["chunk_id"]] = {k: v for k, v in row.items() if k != "chunk_id"}
    return newest


def scene_state(word_count: int, locked_by_job_id: str | None, job: dict[str, Any] | None) -> str:
    """Which of STATES a scene is in. A job that was called off leaves the scene as it was."""
    if job is not None and job["state"] == JobState.RUNNING:
        return "being written"
    if locked_by_job_id is not None:
        return "locked"
    if job is not None and job["state"] == JobState.WAITING:
        return "waiting"
    if job is not None and job["state"] in _WENT_WRONG:
        return "failed"
    return "written" if word_count else "empty"


def lock_holder(session: Session, job_id: str | None) -> dict[str, Any] | None:
    """The job a lock names: `job_id`, `job_type` and `mode`; None without a lock."""
    if job_id is None:
        return None
    query = select(Job.job_id, Job.job_type, Job.props["mode"].as_string().label("mode")).where(Job.job_id == job_id)
    row = session.execute(query).mappings().one_or_none()
    return dict(row) if row else {"job_id": job_id, "job_type": "job", "mode": None}


def _target(given: str | None) -> int:
    return int(given) if given and given.isascii() and given.isdigit() and len(given) < 8 else DEFAULT_TARGET
