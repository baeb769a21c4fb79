"""Bots and tasks as chunks of a book: giving it the defaults, and taking over a list that somebody edited.

Nothing is deleted: an entry that is no longer in the list is marked so, in a version of its own, and comes back when
its name does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from bookbot_worker.books import library
from bookbot_worker.books.library import Bot, Task
from bookbot_worker.jobs.versions import add_chunk, add_version, latest
from shared.errors import Conflict
from shared.models import Book, Chunk

Kind = Literal["bot", "task"]
_FIRST: dict[Kind, float] = {"bot": -200.0, "task": -100.0}


@dataclass(frozen=True, slots=True)
class Changes:
    """How many entries are new, were changed, and were taken away."""

    added: int = 0
    changed: int = 0
    removed: int = 0


def add_default_kit(session: Session, book_id: str, job_id: str | None) -> None:
    """Give the book the default bots, and the default tasks, where it has none of its own."""
    own = {chunk.type for chunk in latest(session, book_id, "bot", "task")}
    defaults: tuple[tuple[Kind, Sequence[Bot | Task]], ...] = (
        ("bot", library.default_bots()),
        ("task", library.default_tasks()),
    )
    for kind, entries in defaults:
        if kind not in own:
            replace_kit(session, book_id, kind, entries, job_id)


def import_kit(
    session: Session, book_id: str, bots: Sequence[Bot] | None, tasks: Sequence[Task] | None
) -> dict[Kind, Changes]:
    """Make these the book's own; None leaves what it has. Raises Conflict while a job holds the book."""
    book = session.get_one(Book, book_id, with_for_update=True)
    if book.locked_by_job_id is not None:
        raise Conflict(f"job {book.locked_by_job_id} is at work on the book; import again when it has ended")
    changes: dict[Kind, Changes] = {}
    if bots is not None:
        changes["bot"] = replace_kit(session, book_id, "bot", bots)
    if tasks is not None:
        changes["task"] = replace_kit(session, book_id, "task", tasks)
    return changes


def replace_kit(
    session: Session, book_id: str, kind: Kind, entries: Sequence[Bot | Task], job_id: str | None = None
) -> Changes:
    """Make `entries` all that the book has of this kind, in this order. Entries are the same by name, case aside."""
    query = select(Chunk).where(Chunk.book_id == book_id, Chunk.type == kind, Chunk.is_latest)
    # The one that is in force wins where two have one name.
    rows = sorted(session.scalars(query.order_by(Chunk.chunk_id)), key=lambda chunk: not chunk.is_deleted)
    known = {str(chunk.props.get("name", "")).casefold(): chunk for chunk in rows}
    kept: set[str] = set()
    added = changed = 0
    for index, entry in enumerate(entries):
        position, props = _FIRST[kind] + index, _props(entry)
        chunk = known.get(entry.name.casefold())
        if chunk is None:
            add_chunk(session, book_id, kind, entry.prompt, job_id=job_id, position=position, props=props)
            added += 1
            continue
        kept.add(chunk.chunk_id)
        if (chunk.text, chunk.position, chunk.props, chunk.is_deleted) != (entry.prompt, position, props, False):
            added += chunk.is_deleted
            changed += not chunk.is_deleted
            unsaid = set(chunk.props) - set(props)
            add_version(session, chunk, entry.prompt, job_id=job_id, props=props, without=unsaid, position=position)
    gone = [chunk for chunk in rows if chunk.chunk_id not in kept and not chunk.is_deleted]
    for chunk in gone:
        add_version(session, chunk, chunk.text, job_id=job_id).is_deleted = True
    return Changes(added, changed, len(gone))


def _props(entry: Bot | Task) -> Mapping[str, Any]:
    return entry.model_dump(mode="json", exclude={"prompt"}, exclude_none=True)
