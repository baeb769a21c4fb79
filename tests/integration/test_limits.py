"""Limits of queues and job types hold across workers, exactly, whoever claims at the same moment."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bookbot_worker.outcomes import Completed
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from bookbot_worker.queue.limits import Limited, choose
from bookbot_worker.queue.locks import Candidate
from bookbot_worker.queue.settle import settle_together
from bookbot_worker.queue.settlement import Settlement
from shared.database import make_engine
from shared.enqueue import NewJob, create_jobs
from shared.ids import new_id
from shared.job_types import AnyProps, JobType, catalogue
from shared.models import Job, JobTypeLimit, Queue
from shared.settings import Settings
from tests.support.claims import somebody_waits
from tests.support.racing import race
from tests.support.running import eventually

pytestmark = pytest.mark.integration

TYPES = ("plain", "other")


@pytest.fixture(autouse=True)
def _types() -> None:
    for name in TYPES:
        catalogue().add(JobType(name, AnyProps))


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = make_engine(settings, pool_size=20)
    yield engine
    engine.dispose()


def add(session: Session, *new_jobs: NewJob) -> list[str]:
    jobs = create_jobs(new_jobs, session=session)
    session.commit()
    return [job.job_id for job in jobs]


def limit(session: Session, *, queues: dict[str, int] | None = None, types: dict[str, int] | None = None) -> None:
    session.add_all(Queue(queue=name, max_running=most) for name, most in (queues or {}).items())
    session.add_all(JobTypeLimit(job_type=name, max_running=most) for name, most in (types or {}).items())
    session.commit()


def taken(engine: Engine, most: int = 50) -> list[str]:
    return [job.job_id for job in claim(engine, Claimant(new_id(), TYPES), most)]


def settle(engine: Engine, *jobs: Job) -> None:
    done = [Settlement(Candidate(job.job_id, None), str(job.claim_id), Completed()) for job in jobs]
    settle_together(engine, done)


def test_no_more_of_a_queue_run_than_it_may(session: Session, engine: Engine) -> None:
    first, second, third = add(session, *[NewJob("plain", queue="narrow") for _ in range(3)])
    limit(session, queues={"narrow": 2})
    claimed = claim(engine, Claimant(new_id(), TYPES), 50)
    assert [job.job_id for job in claimed] == [first, second]
    assert taken(engine) == []
    settle(engine, claimed[0])
    assert taken(engine) == [third]


def test_no_more_of_a_type_run_than_it_may_whatever_their_queues(session: Session, engine: Engine) -> None:
    first, _second, free = add(
        session, NewJob("plain", queue="one"), NewJob("plain", queue="two"), NewJob("other", queue="two")
    )
    limit(session, types={"plain": 1})
    assert taken(engine) == [first, free]


def test_a_queue_and_a_type_limit_the_same_job(session: Session, engine: Engine) -> None:
    jobs = add(session, *[NewJob(name, queue=queue) for queue in ("a", "b") for name in ("plain", "other", "plain")])
    limit(session, queues={"a": 2}, types={"plain": 2})
    assert taken(engine) == [jobs[0], jobs[1], jobs[3], jobs[4]]


def test_a_limit_of_nought_stops_a_queue(session: Session, engine: Engine) -> None:
    _shut, open_ = add(session, NewJob("plain", queue="shut"), NewJob("plain"))
    limit(session, queues={"shut": 0})
    assert taken(engine) == [open_]


def test_what_stands_behind_a_full_queue_starts_at_once(session: Session, engine: Engine) -> None:
    """Also where the full queue's jobs alone would fill the batch, and also in the claim that fills it."""
    add(session, *[NewJob("plain", queue="narrow", priority=9) for _ in range(40)])
    behind = add(session, *[NewJob("plain") for _ in range(4)])
    limit(session, queues={"narrow": 1})
    assert len(taken(engine, 4)) == 4
    assert taken(engine, 4) == behind[3:]


def test_a_paused_queue_with_a_limit_gives_nothing(session: Session, engine: Engine) -> None:
    add(session, NewJob("plain", queue="narrow"))
    session.add(Queue(queue="narrow", max_running=3, paused_at=datetime.now(UTC)))
    session.commit()
    assert taken(engine) == []


class Watch:
    """How many of each queue and type run at the moment, kept outside the database, and the most there were."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.claims: Counter[str] = Counter()

    def begin(self, jobs: list[Job]) -> None:
        with self._lock:
            for job in jobs:
                self.claims[job.job_id] += 1
                self.running.update((job.queue, job.job_type))
            self.most |= self.running

    def end(self, jobs: list[Job]) -> None:
        with self._lock:
            for job in jobs:
                self.running.subtract((job.queue, job.job_type))


def test_twelve_racing_claimers_never_exceed_a_limit(session: Session, engine: Engine) -> None:
    total, rng = 300, random.Random(8)
    queues = ("narrow", "wide", "default")
    add(
        session,
        *[NewJob(rng.choice(TYPES), queue=rng.choice(queues), priority=rng.randint(0, 2)) for _ in range(total)],
    )
    limit(session, queues={"narrow": 2, "wide": 5}, types={"other": 3})
    watch, pause = Watch(), threading.Event()

    def claimer(seed: int) -> None:
        rng, claimant = random.Random(seed), Claimant(new_id(), TYPES)
        while watch.claims.total() < total:
            jobs = claim(engine, claimant, rng.randint(1, 4))
            watch.begin(jobs)
            pause.wait(rng.random() * (0.01 if jobs else 0.02))
            watch.end(jobs)  # before the settlement: from then on others may start
            settle(engine, *jobs)

    assert race(*[lambda seed=seed: claimer(seed) for seed in range(12)], seconds=100) == [None] * 12  # type: ignore[misc]
    assert set(watch.claims.values()) == {1}
    exceeded = {name for name, most in (("narrow", 2), ("wide", 5), ("other", 3)) if watch.most[name] > most}
    assert exceeded == set()


def test_a_claim_waits_for_a_limit_only_with_empty_hands(postgres_settings: Settings) -> None:
    """Else two claims, each with a job the other's transaction needs, would wait for each other."""
    engine = make_engine(postgres_settings)
    with Session(engine) as session:
        [job] = add(session, NewJob("plain", queue="narrow"))
        limit(session, queues={"narrow": 1})
    found: list[str] = []
    with Session(engine) as holder:
        holder.query(Queue).with_for_update().one()
        thread = threading.Thread(target=lambda: found.extend(taken(engine)))
        thread.start()
        with Session(engine) as other:  # nobody holds the job, though somebody waits for its queue
            eventually(lambda: somebody_waits(engine))
            assert other.query(Job).with_for_update(nowait=True).one().job_id == job
    thread.join(20)
    assert found == [job]
    engine.dispose()


def test_room_is_given_in_claim_order() -> None:
    one, two, three = (Candidate(queue, None, queue=queue[0], job_type="plain") for queue in ("x1", "y", "x2"))
    allowed, left = choose([one, two, three], {Limited("queue", "x"): 1, Limited("type", "plain"): 5}, ())
    assert allowed == [one, two]
    assert left == {Limited("queue", "x"): 0, Limited("type", "plain"): 3}
    assert choose([one, two], {}, {Limited("queue", "x")})[0] == [two]
