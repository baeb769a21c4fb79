"""Which of the candidates may run beside each other and beside what is held: by table."""

import pytest

from bookbot_worker.queue.locks import Candidate, HeldLocks, choose

pytestmark = pytest.mark.unit


def free(job_id: str) -> Candidate:
    return Candidate(job_id, None)


def book(job_id: str, book_id: str = "B") -> Candidate:
    return Candidate(job_id, "book", book_id)


def chunk(job_id: str, chunk_id: str, book_id: str = "B") -> Candidate:
    return Candidate(job_id, "chunk", book_id, chunk_id)


NOTHING_HELD = HeldLocks(frozenset("BC"))
BOOK_HELD = HeldLocks(frozenset("C"))
CHUNK_HELD = HeldLocks(frozenset("BC"), {"B": frozenset({"x"})})


@pytest.mark.parametrize(
    ("candidates", "held", "winners"),
    [
        ([free("1"), free("2")], BOOK_HELD, "12"),
        ([book("1")], NOTHING_HELD, "1"),
        ([book("1")], BOOK_HELD, ""),
        ([book("1")], CHUNK_HELD, ""),
        ([chunk("1", "x")], NOTHING_HELD, "1"),
        ([chunk("1", "x")], BOOK_HELD, ""),
        ([chunk("1", "x")], CHUNK_HELD, ""),
        ([chunk("1", "y")], CHUNK_HELD, "1"),
        ([book("1"), book("2")], NOTHING_HELD, "1"),
        ([book("1"), chunk("2", "x")], NOTHING_HELD, "1"),
        ([chunk("1", "x"), book("2")], NOTHING_HELD, "1"),
        ([chunk("1", "x"), chunk("2", "x")], NOTHING_HELD, "1"),
        ([chunk("1", "x"), chunk("2", "y")], NOTHING_HELD, "12"),
        ([book("1"), book("2", "C"), chunk("3", "z", "C")], NOTHING_HELD, "12"),
        ([chunk("1", "x"), free("2"), book("3", "C")], CHUNK_HELD, "23"),
        ([book("1", "D")], NOTHING_HELD, ""),
        ([Candidate("1", "book"), Candidate("2", "chunk", "B")], NOTHING_HELD, ""),
    ],
)
def test_the_first_that_wants_a_book_or_chunk_gets_it(
    candidates: list[Candidate], held: HeldLocks, winners: str
) -> None:
    assert "".join(winner.job_id for winner in choose(candidates, held)) == winners
