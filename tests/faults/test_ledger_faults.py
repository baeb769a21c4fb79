"""A worker dies with a job that has asked an LLM several times: what was answered is asked once, all else once more."""

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shared.models import LlmCall
from tests.faults.asking_jobs import LLM_VARIABLE
from tests.faults.database import Database
from tests.support.fleet import Fleet
from tests.support.http_author import CENT
from tests.support.invariants import check
from tests.support.llm_server import LlmServer
from tests.support.running import eventually

pytestmark = pytest.mark.faults

STEPS = [f"step{number}" for number in range(1, 5)]


def requests(llm: LlmServer) -> list[int]:
    return [llm.count("request", step) for step in STEPS]


def check_books(database: Database, job: str, done: int, lost: int) -> None:
    """So many calls are done and lost, and what the done ones cost is what the job has cost."""
    with Session(database.engine) as session:
        query = select(LlmCall.status, func.count()).where(LlmCall.job_id == job).group_by(LlmCall.status)
        assert dict(session.execute(query).all()) == {"done": done} | ({"unknown": lost} if lost else {})
    assert database.row(job).cost_usd == pytest.approx(done * CENT)
    assert (database.row(job).state, len(database.effects(job))) == ("completed", 3)
    check(database.engine)


@pytest.mark.parametrize(
    ("failpoint", "asked", "lost"),
    [
        ("llm.sent:kill:3", [1, 1, 1, 1], 1),
        ("llm.answered:kill:3", [1, 1, 2, 1], 1),
        ("llm.kept:kill:3", [1, 1, 1, 1], 0),
        ("settle.begin:kill:1", [1, 1, 1, 1], 0),
    ],
)
@pytest.mark.parametrize("place", ["database", pytest.param("sqlite_database", marks=pytest.mark.slow_faults)])
def test_a_worker_may_die_around_any_call(
    request: pytest.FixtureRequest,
    fleet: Fleet,
    llm: LlmServer,
    place: str,
    failpoint: str,
    asked: list[int],
    lost: int,
) -> None:
    database: Database = request.getfixturevalue(place)
    env = {LLM_VARIABLE: llm.url}
    job = database.add("asks_in_steps")
    doomed = fleet.start(settings=database.settings, env=env, failpoint=failpoint)
    assert doomed.exit_code() < 0
    fleet.start(settings=database.settings, env=env)
    database.wait_until_ended([job])
    assert requests(llm) == asked
    check_books(database, job, done=4, lost=lost)


def test_a_job_whose_workers_die_again_and_again_is_no_poison_while_it_gets_answers(
    database: Database, fleet: Fleet, llm: LlmServer
) -> None:
    """Three workers in a row die with an answer in hand that is not kept yet, each after one more that is."""
    env = {LLM_VARIABLE: llm.url}
    job = database.add("asks_in_steps")
    for _ in range(3):
        assert fleet.start(env=env, failpoint="llm.answered:kill:2").exit_code() < 0
    fleet.start(env=env)
    database.wait_until_ended([job])
    assert requests(llm) == [1, 2, 2, 2]
    check_books(database, job, done=4, lost=3)


def test_a_worker_that_dies_in_the_middle_of_an_answer_costs_that_request_once_more(
    database: Database, fleet: Fleet, llm: LlmServer
) -> None:
    env = {LLM_VARIABLE: llm.url}
    llm.hold()
    worker = fleet.start(env=env)
    job = database.add("asks_in_steps", {"steps": 2})
    eventually(lambda: llm.count("request", "step1"))
    worker.kill()
    llm.release()
    fleet.start(env=env)
    database.wait_until_ended([job])
    assert requests(llm) == [2, 1, 0, 0]
    check_books(database, job, done=2, lost=1)
