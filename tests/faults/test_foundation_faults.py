"""A worker dies at each step of a foundation: it comes out whole, and no answer is asked for twice.

The server's own record is the witness of what it was asked and what it charged.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from bookbot_worker.books import outline
from shared.models import LlmCall
from tests.faults.database import Database
from tests.support.claims import add_book
from tests.support.fleet import Fleet
from tests.support.invariants import check
from tests.support.llm_stub import RunningStub, llm_stub, worker_environment
from tests.support.product import BRIEF, add_job, chunks
from tests.support.running import eventually

pytestmark = pytest.mark.faults

ANSWERS = 3
"""What a foundation asks for: an outline, characters, settings."""

OTHER_STEPS = (
    "claim.committed",
    "run.enter",
    "run.left",
    "settle.begin",
    "settle.state",
    "settle.flushed",
    "settle.logs",
    "settle.locks",
    "settle.commit_sent",
    "settle.acked",
)


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[RunningStub]:
    """A server that answers at once."""
    with llm_stub(tmp_path / "record.jsonl") as running:
        yield running


def steps() -> Iterator[object]:
    quick = {"llm.answered:kill:2", "settle.flushed:kill:1"}
    names = [f"{name}:kill:{n}" for n in range(1, ANSWERS + 1) for name in ("llm.sent", "llm.answered", "llm.kept")]
    for name in [*names, *(f"{name}:kill:1" for name in OTHER_STEPS)]:
        yield pytest.param(name, id=name, marks=() if name in quick else pytest.mark.slow_faults)


@pytest.mark.parametrize("failpoint", list(steps()))
def test_a_foundation_whose_worker_dies_is_completed_and_every_answer_asked_for_once(
    database: Database, fleet: Fleet, stub: RunningStub, failpoint: str
) -> None:
    book = add_book(database.engine)
    env = worker_environment(stub.url)
    job = add_job(database.engine, "create_foundation", book, props={"brief": BRIEF, "style": "Plain."})
    assert fleet.start(env=env, failpoint=failpoint).exit_code() < 0
    fleet.start(env=env)
    database.wait_until_ended([job])
    assert (database.row(job).state, database.row(job).error_message) == ("completed", None)
    asked = Counter(line["hash"] for line in stub.record("request"))
    was_in_flight = failpoint.startswith("llm.answered")
    assert sorted(asked.values()) == [1] * (ANSWERS - 1) + [2 if was_in_flight else 1]
    charged = {line["hash"]: line["cost_usd"] for line in stub.record("answered")}
    assert database.row(job).cost_usd == pytest.approx(sum(charged.values()))
    is_lost = failpoint.startswith(("llm.sent", "llm.answered"))
    assert calls(database.engine) == {"done": ANSWERS} | ({"unknown": 1} if is_lost else {})
    check_foundation(database.engine, book)
    check(database.engine, ids=[job])


def test_a_foundation_whose_worker_dies_in_the_middle_of_each_answer_asks_for_each_once_more(
    database: Database, fleet: Fleet, tmp_path: Path
) -> None:
    book = add_book(database.engine)
    in_flight: list[str] = []
    with llm_stub(tmp_path / "slow.jsonl", words_per_second=150) as stub:
        env = worker_environment(stub.url)
        job = add_job(database.engine, "create_foundation", book, props={"brief": BRIEF, "style": "Plain."})

        def new_request() -> list[str]:
            return [line["hash"] for line in stub.record("request") if line["hash"] not in in_flight]

        while True:
            worker = fleet.start(env=env)
            if eventually(lambda: new_request() or database.row(job).completed_at) and not new_request():
                break
            in_flight += new_request()
            worker.kill()
        eventually(lambda: len(stub.record("answered")) == len(stub.record("request")))
    assert database.row(job).state == "completed"
    assert Counter(line["hash"] for line in stub.record("request")) == dict.fromkeys(in_flight, 2)
    whole = [line for line in stub.record("answered") if not line["aborted"]]
    assert sorted(line["hash"] for line in whole) == sorted(in_flight)
    assert database.row(job).cost_usd == pytest.approx(sum(line["cost_usd"] for line in whole))
    assert calls(database.engine) == {"done": len(in_flight), "unknown": len(in_flight)}
    check_foundation(database.engine, book)
    check(database.engine, ids=[job])


def calls(engine: Engine) -> dict[str, int]:
    """How many calls of each status the ledger holds."""
    with Session(engine) as session:
        found = session.execute(select(LlmCall.status, func.count()).group_by(LlmCall.status))
        return {status: count for status, count in found}  # noqa: C416 - rows are no pairs to mypy


def check_foundation(engine: Engine, book: str) -> None:
    """All parts of the plan are there, once, and a chunk for every scene of the outline."""
    for kind in ("brief", "style", "characters", "settings"):
        (part,) = chunks(engine, book, kind)
        assert (part.version, bool(part.text.strip())) == (1, True)
    (plan,) = chunks(engine, book, "outline")
    scenes = [scene.props["scene"] for scene in chunks(engine, book, "scene")]
    assert scenes == [scene.id for scene in outline.parse(plan.text).scenes] != []
    assert chunks(engine, book, "bot")
    assert chunks(engine, book, "task")
