"""The whole way from a brief to a book, against a server of the OpenAI protocol, with faults, retries, cancels, deaths.

The server's own record is the witness: what it was asked, what it said, what it charged.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from bookbot_worker.llm.stub import Rule
from shared.control import cancel_job
from tests.faults.database import Database
from tests.support.fleet import Fleet
from tests.support.foundations import (
    BRIEF,
    add_job,
    asking,
    calls,
    check_foundation,
    chunks,
    new_book,
)
from tests.support.invariants import check
from tests.support.llm_stub import MODEL, RunningStub, llm_stub
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
    book = new_book(database)
    job = add_job(database, "create_foundation", book, props={"brief": BRIEF, "style": "Plain."})
    assert fleet.start(env=asking(stub), failpoint=failpoint).exit_code() < 0
    fleet.start(env=asking(stub))
    database.wait_until_ended([job])
    assert (database.row(job).state, database.row(job).error_message) == ("completed", None)
    asked = Counter(line["hash"] for line in stub.record("request"))
    was_in_flight = failpoint.startswith("llm.answered")
    assert sorted(asked.values()) == [1] * (ANSWERS - 1) + [2 if was_in_flight else 1]
    check_foundation(database, book)
    charged = {line["hash"]: line["cost_usd"] for line in stub.record("answered")}
    assert database.row(job).cost_usd == pytest.approx(sum(charged.values()))
    assert len(calls(database, "done")) == ANSWERS
    assert len(calls(database, "unknown")) == failpoint.startswith(("llm.sent", "llm.answered"))
    check(database.engine, ids=[job])


FAULTS = ("429@2", "cut@6", "429@15-16")


def test_a_book_of_twenty_scenes_comes_out_whole_and_costs_what_the_server_charged(
    database: Database, fleet: Fleet, tmp_path: Path
) -> None:
    """Faults, their retries, and a scene that is cancelled in the middle of its answer are all charged for."""
    rules = [Rule.parse(fault) for fault in FAULTS]
    with llm_stub(tmp_path / "record.jsonl", rules=rules, retry_after="0") as stub:
        fleet.start_many(2, env=asking(stub))
        book = new_book(database)
        foundation = add_job(database, "create_foundation", book, props={"brief": BRIEF, "style": "Plain."})
        whole = add_job(
            database, "generate_book", book, props={"target_words": 120}, depends_on=[foundation], priority=1
        )
        database.wait_until_ended([foundation, whole], 120)
        for job in (foundation, whole):
            assert (database.row(job).state, database.row(job).error_message) == ("completed", None)
        check_written(database, book, whole)
        cancelled = cancel_in_the_middle(database, book, stub)
        eventually(lambda: len(stub.record("request")) == len(stub.record("answered")) + len(stub.record("refused")))
    assert database.row(cancelled).state == "cancelled"
    charged = sum(line["cost_usd"] for line in stub.record("answered"))
    paid = sum(call.cost_usd or 0 for call in calls(database))
    assert paid == pytest.approx(charged, abs=0.00001)  # of the cancelled one we know what we heard
    done = {line["hash"]: line["cost_usd"] for line in stub.record("answered") if line["fault"] is None}
    assert sum(call.cost_usd or 0 for call in calls(database, "done")) == pytest.approx(sum(done.values()))
    check(database.engine)


def check_written(database: Database, book: str, whole: str) -> None:
    """Twenty scenes with text, and the files."""
    texts = [chunk.text for chunk in chunks(database, book, "scene") if chunk.is_latest]
    assert len(texts) == 20
    assert all(len(text.split()) > 60 for text in texts)
    result = database.row(whole).result or {}
    assert result["scenes"] == 20
    assert [file["format"] for file in result["files"]] == ["epub", "markdown"]


def cancel_in_the_middle(database: Database, book: str, stub: RunningStub) -> str:
    """Have a scene rewritten slowly, and call it off when some of it has been said."""
    scene = next(chunk for chunk in chunks(database, book, "scene") if chunk.is_latest)
    props = {"mode": "rewrite", "model": f"{MODEL}:slow"}
    before = len(stub.record("request"))
    job = add_job(database, "generate_chunk", book, chunk_id=scene.chunk_id, props=props)
    eventually(lambda: len(stub.record("request")) > before)
    with Session(database.engine) as session, session.begin():
        cancel_job(job, session=session)
    database.wait_until_ended([job])
    return job
