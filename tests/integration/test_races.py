"""Many claimers at once on a real PostgreSQL: nothing is claimed twice, nothing that excludes each other overlaps."""

import random
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from bookbot_worker.outcomes import Completed
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from bookbot_worker.queue.locks import Candidate
from bookbot_worker.queue.settle import settle_together
from bookbot_worker.queue.settlement import Settlement
from shared.database import make_engine
from shared.enqueue import NewJob, create_jobs
from shared.ids import new_id
from shared.job_types import AnyProps, JobType, catalogue
from shared.models import Book, Chunk, Job
from shared.settings import Settings
from shared.states import LockScope

pytestmark = pytest.mark.integration

TYPES = ("whole_book", "one_chunk", "no_lock")


@pytest.fixture
def engine(postgres_settings: Settings) -> Iterator[Engine]:
    engine = make_engine(postgres_settings, pool_size=60)
    for name, scope in zip(TYPES, (LockScope.BOOK, LockScope.CHUNK, None), strict=True):
        catalogue().add(JobType(name, AnyProps, locks=scope))
    yield engine
    engine.dispose()


class Witness:
    """Who works on what right now, kept outside the database; two that exclude each other are a conflict."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at_work: dict[str, Job] = {}
        self.claims: Counter[str] = Counter()
        self.conflicts: list[tuple[Job, Job]] = []

    def begin(self, job: Job) -> None:
        with self._lock:
            self.claims[job.job_id] += 1
            self.conflicts += [(job, other) for other in self._at_work.values() if exclude_each_other(job, other)]
            self._at_work[job.job_id] = job

    def end(self, job: Job) -> None:
        with self._lock:
            del self._at_work[job.job_id]


def exclude_each_other(one: Job, other: Job) -> bool:
    if one.lock_scope is None or other.lock_scope is None or one.book_id != other.book_id:
        return False
    return LockScope.BOOK in (one.lock_scope, other.lock_scope) or one.chunk_id == other.chunk_id


def claim_and_settle(engine: Engine, witness: Witness, most: int, total: int, seed: int) -> None:
    """One claimer: take up to `most`, hold them for a moment, settle; until `total` jobs were claimed by all."""
    rng = random.Random(seed)
    claimant = Claimant(new_id(), TYPES)
    pause = threading.Event()
    while witness.claims.total() < total:
        jobs = claim(engine, claimant, rng.randint(1, most))
        for job in jobs:
            witness.begin(job)
        pause.wait(rng.random() * (0.004 if jobs else 0.02))
        for job in jobs:
            witness.end(job)
        settlements = [
            Settlement(Candidate(job.job_id, job.lock_scope, job.book_id, job.chunk_id), str(job.claim_id), Completed())
            for job in jobs
        ]
        if settlements:
            assert settle_together(engine, settlements) == {job.job_id for job in jobs}


def race(engine: Engine, claimers: int, most: int, total: int) -> Witness:
    witness = Witness()
    problems: list[BaseException] = []

    def one(seed: int) -> None:
        try:
            claim_and_settle(engine, witness, most, total, seed)
        except BaseException as error:  # noqa: BLE001 - reported by the test
            problems.append(error)

    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(claimers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=100)
    assert problems == []
    assert not any(thread.is_alive() for thread in threads)
    return witness


def test_twelve_claimers_on_five_books_never_overlap(engine: Engine) -> None:
    rng = random.Random(5)
    books = [new_id() for _ in range(5)]
    chunks = [(new_id(), books[number % 5]) for number in range(40)]
    with Session(engine) as session:
        session.add_all(Book(book_id=book, title="race") for book in books)
        session.add_all(Chunk(chunk_id=chunk, book_id=book, type="scene") for chunk, book in chunks)
        session.flush()
        jobs = []
        for _ in range(1500):
            name = rng.choice(TYPES)
            chunk, book = rng.choice(chunks)
            jobs.append(
                NewJob(name, book_id=book, chunk_id=chunk if name == "one_chunk" else None, priority=rng.randint(0, 2))
            )
        create_jobs(jobs, session=session)
        session.commit()

    witness = race(engine, claimers=12, most=4, total=1500)

    assert witness.conflicts == []
    assert set(witness.claims.values()) == {1}
    assert len(witness.claims) == 1500
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM jobs WHERE state <> 'completed'")) == 0
        assert connection.scalar(text("SELECT count(*) FROM books WHERE locked_by_job_id IS NOT NULL")) == 0
        assert connection.scalar(text("SELECT count(*) FROM chunks WHERE locked_by_job_id IS NOT NULL")) == 0


def test_fifty_claimers_share_ten_thousand_free_jobs(engine: Engine) -> None:
    with Session(engine) as session:
        create_jobs([NewJob("no_lock") for _ in range(10_000)], session=session)
        session.commit()

    witness = race(engine, claimers=50, most=40, total=10_000)

    assert len(witness.claims) == 10_000
    assert set(witness.claims.values()) == {1}
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(DISTINCT claim_id) FROM jobs WHERE state = 'completed'")) == 10_000
