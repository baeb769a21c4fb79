"""Book and chunk locks: columns on the rows they protect, written by claim, cleared by settle.

A BookJob needs its book and all the book's chunks free; a ChunkJob its book and its chunk. The decision is the
pure function `choose`; `take_locks` asks the database for the facts in the one order that never deadlocks:
book rows by book_id, then chunks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select, update

from shared.clock import db_now
from shared.models import BOOKS, CHUNKS, Book, Chunk
from shared.states import LockScope


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that may be claimed, what it wants to lock, and what may limit it."""

    job_id: str
    lock_scope: str | None
    book_id: str | None = None
    chunk_id: str | None = None
    queue: str = ""
    job_type: str = ""


@dataclass(frozen=True, slots=True)
class HeldLocks:
    """What is free and what is not, of the books this claimer has locked the rows of."""

    free_books: frozenset[str]
    locked_chunks: dict[str, frozenset[str]] = field(default_factory=dict)


def choose(candidates: Iterable[Candidate], held: HeldLocks) -> list[Candidate]:
    """Those of `candidates` (in claim order) that can run at the same time as each other and as what is held.

    Jobs that lock nothing always win. The first that wants a book or chunk gets it.
    """
    winners: list[Candidate] = []
    whole_books: set[str] = set()
    chunks = {book: set(locked) for book, locked in held.locked_chunks.items()}
    for candidate in candidates:
        book = candidate.book_id
        if candidate.lock_scope is not None:
            if book is None or book not in held.free_books or book in whole_books:
                continue
            taken = chunks.setdefault(book, set())
            if candidate.lock_scope == LockScope.BOOK:
                if taken:
                    continue
                whole_books.add(book)
            else:
                if candidate.chunk_id in taken or candidate.chunk_id is None:
                    continue
                taken.add(candidate.chunk_id)
        winners.append(candidate)
    return winners


def take_locks(connection: Connection, candidates: Sequence[Candidate]) -> list[str]:
    """Lock what the winners among `candidates` need; returns their job ids, in the order given.

    Books another claimer has in hand are skipped: their jobs stay waiting for the next turn.
    """
    books = {candidate.book_id for candidate in candidates if candidate.lock_scope and candidate.book_id}
    if not books:
        return [candidate.job_id for candidate in candidates]
    in_hand = connection.scalars(
        select(Book.book_id)
        .where(Book.book_id.in_(books))
        .order_by(Book.book_id)
        .with_for_update(key_share=True, skip_locked=True)
    ).all()
    winners = choose(candidates, _read_locks(connection, in_hand))
    for winner in winners:
        _write_lock(connection, winner)
    return [winner.job_id for winner in winners]


def _read_locks(connection: Connection, books: Sequence[str]) -> HeldLocks:
    """The lock columns, in a statement that starts after the row locks were granted."""
    free = connection.scalars(select(Book.book_id).where(Book.book_id.in_(books), Book.locked_by_job_id.is_(None)))
    chunks: dict[str, set[str]] = {}
    locked = select(Chunk.book_id, Chunk.chunk_id).where(Chunk.book_id.in_(books), Chunk.locked_by_job_id.is_not(None))
    for book_id, chunk_id in connection.execute(locked):
        chunks.setdefault(book_id, set()).add(chunk_id)
    return HeldLocks(frozenset(free), {book: frozenset(held) for book, held in chunks.items()})


def _write_lock(connection: Connection, winner: Candidate) -> None:
    lock = {"locked_by_job_id": winner.job_id, "locked_at": db_now()}
    match winner.lock_scope:
        case LockScope.BOOK:
            connection.execute(update(BOOKS).where(Book.book_id == winner.book_id).values(**lock))
        case LockScope.CHUNK:
            chunk = update(CHUNKS).where(Chunk.chunk_id == winner.chunk_id, Chunk.is_latest)
            connection.execute(chunk.values(**lock))


def release_locks(connection: Connection, holders: Iterable[Candidate]) -> None:
    """Clear what these jobs hold; a lock another job holds is left alone. Does not commit."""
    free = {"locked_by_job_id": None, "locked_at": None}
    for holder in sorted(holders, key=lambda holder: (holder.book_id or "", holder.chunk_id or "")):
        match holder.lock_scope:
            case LockScope.BOOK:
                of_book = Book.book_id == holder.book_id, Book.locked_by_job_id == holder.job_id
                connection.execute(update(BOOKS).where(*of_book).values(**free))
            case LockScope.CHUNK:
                of_chunk = Chunk.chunk_id == holder.chunk_id, Chunk.locked_by_job_id == holder.job_id
                connection.execute(update(CHUNKS).where(*of_chunk).values(**free))
