"""Low priorities get their turn, beside high ones that never end."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bookbot_worker.queue.ageing import EVERY, LOOK_AGAIN, Ageing, claim_in_turn
from bookbot_worker.queue.candidates import Claimant
from shared.enqueue import NewJob, create_jobs
from shared.ids import new_id
from shared.job_types import AnyProps, JobType, catalogue

pytestmark = pytest.mark.integration

WORKER = Claimant(new_id(), ("plain",))


@pytest.fixture(autouse=True)
def _type() -> None:
    catalogue().add(JobType("plain", AnyProps))


def add(session: Session, count: int, priority: int) -> list[str]:
    jobs = create_jobs([NewJob("plain", priority=priority) for _ in range(count)], session=session)
    session.commit()
    return [job.job_id for job in jobs]


def priorities(engine: Engine, ageing: Ageing, rounds: int, at_a_time: int = 1) -> list[int]:
    return [job.priority for _ in range(rounds) for job in claim_in_turn(engine, WORKER, at_a_time, ageing)]


def test_of_every_twenty_jobs_one_is_of_a_lower_level_and_levels_take_turns(session: Session, engine: Engine) -> None:
    for priority, count in ((5, 90), (0, 3), (-7, 3)):
        add(session, count, priority)
    claimed = priorities(engine, Ageing(), 4 * EVERY)
    assert [number for number, priority in enumerate(claimed, 1) if priority == 5] == [
        number for number in range(1, 4 * EVERY + 1) if number % EVERY
    ]
    assert [priority for priority in claimed if priority != 5] == [0, -7, 0, -7]


def test_of_a_level_the_oldest_comes_first(session: Session, engine: Engine) -> None:
    add(session, 40, 1)
    oldest, *_ = add(session, 3, 0)
    ageing = Ageing()
    claimed = [job.job_id for _ in range(EVERY) for job in claim_in_turn(engine, WORKER, 1, ageing)]
    assert claimed[-1] == oldest


def test_a_batch_holds_at_most_one_and_is_filled_from_the_top(session: Session, engine: Engine) -> None:
    add(session, 60, 1)
    add(session, 9, 0)
    claimed = priorities(engine, Ageing(), 2, at_a_time=EVERY)
    assert claimed == [1] * EVERY + [0] + [1] * (EVERY - 1)


def test_where_all_are_alike_it_looks_once_a_second_and_loses_nothing(session: Session, engine: Engine) -> None:
    now = [0.0]
    ageing = Ageing(lambda: now[0])
    add(session, 3 * EVERY, 0)
    assert len(priorities(engine, ageing, 2 * EVERY)) == 2 * EVERY
    assert ageing.next_below() is None
    now[0] += LOOK_AGAIN
    assert ageing.next_below() == 0
