"""A brief becomes a book of 20 scenes: a real worker asks a real server, with trouble on the way, to the last cent."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from bookbot_worker.llm.stub import Rule
from shared.clock import db_now, db_now_plus
from shared.control import cancel_job
from shared.models import Chunk, Job, LlmCall, OutputFile
from tests.support.claims import add_book
from tests.support.fleet import Fleet
from tests.support.llm_stub import MODEL, RunningStub, llm_stub, worker_environment
from tests.support.product import add_job
from tests.support.running import eventually, row

pytestmark = pytest.mark.acceptance

ERRANDS = (
    "sells the boat", "hides the map", "finds the key", "burns the letter", "opens the door", "steals the lamp",
    "paints the wall", "breaks the clock", "buries the coin", "reads the diary", "follows the cart", "mends the bell",
    "loses the ring", "counts the money", "climbs the tower", "crosses the river", "saves the horse", "ends the feast",
    "leaves the town", "returns the crown",
)  # fmt: skip
BRIEF = "# The Errands\n\nA novel in ten chapters about Ann and her brother Paul.\n\n" + " ".join(
    f"{'Ann' if number % 2 else 'Paul'} {errand}." for number, errand in enumerate(ERRANDS, 1)
)

FAULTS = [
    "429@2",
    "cut@3",
    "500@6",
    "bad-json@8",
    "error-inside@11",
    "empty@14",
    "503@17",
    "unfinished@19",
    "no-cost@21",
]
"""None is followed by another, and none costs what nobody can know."""

PRICES = json.dumps({model: {"input": 1, "output": 4} for model in (MODEL, f"{MODEL}:slow")})
"""What the stub charges: for answers that broke off before they said what they cost."""


def completed(engine: Engine, job_id: str, seconds: float = 60.0) -> dict[str, Any]:
    """The result of the job, once it is completed. The wait between its attempts, and those of its children, is cut."""

    def has_ended() -> bool:
        with Session(engine) as session, session.begin():
            late = update(Job).where(Job.state == "waiting", Job.run_at > db_now())
            session.execute(late.values(run_at=db_now_plus(0)))
        return row(engine, job_id).completed_at is not None

    eventually(has_ended, seconds)
    job = row(engine, job_id)
    assert job.state == "completed", job.error_message
    return job.result or {}


def count(engine: Engine, what: Any, *where: Any) -> int:
    with Session(engine) as session:
        return session.scalar(select(func.count()).select_from(what).where(*where)) or 0


def test_a_book_of_twenty_scenes_costs_what_the_server_says_it_costs(
    engine: Engine, fleet: Fleet, tmp_path: Path
) -> None:
    book_id = add_book(engine)
    rules = [Rule.parse(fault) for fault in FAULTS]
    with llm_stub(tmp_path / "record", rules=rules, retry_after="1") as stub:
        worker = fleet.start(env=worker_environment(stub.url, llm_prices=PRICES))
        foundation = completed(engine, add_job(engine, "create_foundation", book_id, props={"brief": BRIEF}))
        assert (foundation["scenes"], foundation["new_scenes"]) == (20, 20)
        book = add_job(engine, "generate_book", book_id, props={"target_words": 150, "export_formats": ["epub"]})
        done = completed(engine, book, 120)
        assert (done["scenes"], [file["format"] for file in done["files"]]) == (20, ["epub"])
        again = add_job(engine, "generate_book", book_id, props={"export_formats": []})
        assert completed(engine, again)["scenes"] == 20  # nothing is empty, so nothing is asked
        cancel_one_and_try_again(engine, book_id, stub)
        markdown = completed(engine, add_job(engine, "export_book", book_id, props={"format": "markdown"}))
        written = count(engine, Chunk, Chunk.type == "scene", Chunk.is_latest, Chunk.word_count > 0)
        assert (written, count(engine, OutputFile), bool(markdown["file_id"])) == (20, 2, True)
        struck = {line["fault"] for line in stub.record("request")}
        check_costs(engine, stub)
    assert {fault.partition("@")[0] for fault in FAULTS} <= struck
    assert worker.is_alive


def cancel_one_and_try_again(engine: Engine, book_id: str, stub: RunningStub) -> None:
    """A scene is called off in the middle of a slow answer, then written all the same."""
    with Session(engine) as session:
        chunk_id = session.scalars(select(Chunk.chunk_id).where(Chunk.type == "scene", Chunk.is_latest)).first()
    slow = add_job(
        engine, "generate_chunk", book_id, chunk_id=chunk_id, props={"mode": "rewrite", "model": f"{MODEL}:slow"}
    )
    eventually(lambda: any(line["model"].endswith(":slow") for line in stub.record("request")))
    eventually(lambda: row(engine, slow).progress)
    with Session(engine) as session, session.begin():
        cancel_job(slow, session=session)
    eventually(lambda: row(engine, slow).state == "cancelled")
    eventually(lambda: any(line["aborted"] and line["fault"] == "slow" for line in stub.record("answered")))
    props = {"mode": "rewrite", "target_words": 150}
    completed(engine, add_job(engine, "generate_chunk", book_id, chunk_id=chunk_id, props=props))


def check_costs(engine: Engine, stub: RunningStub) -> None:
    """The database and the server agree: on every answer exactly, on one that was broken off to some words."""
    with Session(engine) as session:
        calls = session.scalars(select(LlmCall)).all()
        jobs = session.scalar(select(func.sum(Job.cost_usd)))
    eventually(lambda: len(stub.record("answered") + stub.record("refused")) == len(stub.record("request")))
    charged = stub.record("answered")
    in_database = Counter(round((call.cost_usd or 0) * 1e6) for call in calls if call.error_kind != "cancelled")
    at_server = Counter(round(line["cost_usd"] * 1e6) for line in charged if line["fault"] != "slow")
    assert +in_database - Counter({0: in_database[0]}) == +at_server - Counter({0: at_server[0]})
    [broken_off] = [call.cost_usd for call in calls if call.error_kind == "cancelled"]
    [aborted] = [line["cost_usd"] for line in charged if line["fault"] == "slow"]
    assert broken_off == pytest.approx(aborted, abs=50e-6)
    assert jobs == pytest.approx(sum(line["cost_usd"] for line in charged), abs=50e-6)
    assert jobs == pytest.approx(sum(call.cost_usd or 0 for call in calls))
    assert jobs > 0.02
    assert len(calls) == len(stub.record("request"))
