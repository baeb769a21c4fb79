"""Many callers at the same moment: never more calls of a model than its limit, whoever asks."""

import threading

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from bookbot_worker.llm.admission import Rules, Wait, admit
from bookbot_worker.llm.ledger_rows import CALLS, Asked, Run, at_the_ledger, finish, insert_sent
from bookbot_worker.llm.limits import Limits
from shared.database import make_engine
from shared.ids import new_id
from shared.models import LlmCall
from shared.settings import Settings
from tests.support.claims import add_worker, claimed, somebody_waits
from tests.support.racing import race
from tests.support.running import enqueue, eventually

pytestmark = pytest.mark.integration

ASKED = Asked("host", "model-1", {"messages": []}, "hash")
CALLERS = 12


class Asks(BaseJob):
    def execute(self) -> bool:
        return True


def runs(engine: Engine, count: int) -> list[Run]:
    """So many jobs under way, each of which is about to ask."""
    for _ in range(count):
        enqueue(engine, Asks)
    jobs = [attempt.job for attempt in claimed(engine, add_worker(engine, lease=600), Asks)]
    return [Run(job.job_id, job.claim_id or "", job.attempt) for job in jobs]


def enter(engine: Engine, run: Run, rules: Rules) -> str | None:
    """The id of the call that may leave; None where it must wait."""
    call_id = new_id()
    with at_the_ledger(engine) as connection:
        if admit(connection, run, ASKED, rules, call_id) is not None:
            return None
        assert insert_sent(connection, run, ASKED, call_id=call_id, seq=1, occurrence=1)
    return call_id


def in_flight(engine: Engine) -> int:
    with Session(engine) as session:
        return session.scalar(select(func.count()).select_from(LlmCall).where(LlmCall.status == "sent")) or 0


@pytest.mark.parametrize("limits", [Limits(in_flight=3), Limits(per_minute=3)], ids=["in flight", "per minute"])
def test_of_many_callers_at_once_as_many_leave_as_the_limit_allows(
    settings: Settings, engine: Engine, limits: Limits
) -> None:
    callers = runs(engine, CALLERS)
    rules = Rules(limits=limits)
    wide = make_engine(settings, pool_size=CALLERS)
    left: list[str] = []
    for _ in range(3):
        came = race(*(lambda run=run: enter(wide, run, rules) for run in callers))
        assert [one for one in came if isinstance(one, Exception)] == []
        left += [one for one in came if one]
        assert (len(left), in_flight(engine)) == (3, 3)
    with at_the_ledger(wide) as connection:
        finish(connection, callers[0], left[0], {"status": "done"})
    came = race(*(lambda run=run: enter(wide, run, rules) for run in callers))
    assert len([one for one in came if one]) == (1 if limits.in_flight else 0)
    wide.dispose()


def test_a_caller_stands_in_line_behind_one_who_is_about_to_take_the_last_place(
    postgres_settings: Settings,
) -> None:
    engine = make_engine(postgres_settings, pool_size=4)
    first, second, stranger = runs(engine, 3)
    rules = Rules(limits=Limits(in_flight=1))
    told: list[str | None] = []
    with at_the_ledger(engine) as connection:
        assert admit(connection, first, ASKED, rules, "a") is None
        assert insert_sent(connection, first, ASKED, call_id=new_id(), seq=1, occurrence=1)
        line = threading.Thread(target=lambda: told.append(enter(engine, second, rules)))
        line.start()
        eventually(lambda: told or somebody_waits(engine))
        assert told == []
        with at_the_ledger(engine) as other:  # nobody waits for the callers of another model
            another = Asked("host", "model-2", {"messages": []}, "hash")
            assert admit(other, stranger, another, rules, "b") is None
    line.join(20)
    assert told == [None]
    with engine.connect() as connection:
        assert isinstance(admit(connection, second, ASKED, rules, "c"), Wait)
        assert connection.scalar(select(func.count()).select_from(CALLS)) == 1
    engine.dispose()
