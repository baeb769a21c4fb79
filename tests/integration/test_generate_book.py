"""`generate_book`: which scenes it starts, in which order, what a retry repeats, and what is summed up for it."""

import threading
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from bookbot_worker.cli.main import main
from bookbot_worker.jobs.versions import add_chunk
from bookbot_worker.llm.client import Prompt
from shared.control import retry_job
from shared.database import read_only
from shared.models import Job, JobDependency
from shared.settings import Settings
from shared.views import failed_children, get_job
from tests.support.product import AuthorWith, chunks, enqueue, processor_of_all, work
from tests.support.running import eventually, row, running

pytestmark = pytest.mark.integration

TEXT = "Ines wound the clock, and nothing happened. " * 10
NO_EXPORTS: dict[str, object] = {"export_formats": []}


def add_scenes(session: Session, book_id: str, *texts: str) -> None:
    for number, text in enumerate(texts, 1):
        props = {"scene": number, "title": f"The {number}. hour"}
        add_chunk(session, book_id, "scene", text, job_id=None, position=float(number), props=props)
    session.flush()


def children_of(engine: Engine, job_id: str) -> list[Job]:
    with Session(read_only(engine)) as session:
        return list(session.scalars(select(Job).filter_by(parent_job_id=job_id).order_by(Job.job_id)))


def dependencies(engine: Engine, children: list[Job]) -> int:
    ids = [child.job_id for child in children]
    with Session(read_only(engine)) as session:
        return len(session.scalars(select(JobDependency).where(JobDependency.job_id.in_(ids))).all())


def seen_from_outside(engine: Engine, job_id: str) -> dict[str, Any]:
    with Session(read_only(engine)) as session:
        return get_job(session, job_id)


def retry_in_own_session(engine: Engine, job_id: str) -> None:
    with Session(engine) as session, session.begin():
        retry_job(job_id, session=session)


@pytest.mark.parametrize(
    ("mode", "template", "in_order"),
    [
        ("write", "Write on. {{ NextChunk }}", True),
        ("write", "Write. {{ Brief }}", False),
        ("rewrite", "Anew. {{ PreviousChunk }} {{ CurrentVersion }}", True),
        ("review", "Judge. {{ PreviousChunk }} {{ CurrentVersion }}", False),
        ("edit", "Mend. {{ CurrentVersion }}", False),
    ],
)
def test_scenes_wait_for_each_other_only_where_one_must_see_what_became_of_the_other(
    settings: Settings, session: Session, engine: Engine, book_id: str, mode: str, template: str, in_order: bool
) -> None:
    add_scenes(session, book_id, *(["", "", ""] if mode == "write" else [TEXT, TEXT, ""]))
    add_chunk(session, book_id, "task", template, job_id=None, props={"name": "Mine"})
    job_id = enqueue(session, "generate_book", book_id, props=NO_EXPORTS | {"mode": mode})
    work(settings, AuthorWith(lambda _prompt: TEXT + "It struck."))
    assert row(engine, job_id).state == "completed", row(engine, job_id).error_message
    children = children_of(engine, job_id)
    assert len(children) == (3 if mode == "write" else 2)
    assert dependencies(engine, children) == (len(children) - 1 if in_order else 0)
    kept, changed = [TEXT, TEXT, ""], [TEXT + "It struck."] * len(children) + [""] * (3 - len(children))
    assert [scene.text for scene in chunks(engine, book_id, "scene")] == (kept if mode == "review" else changed)
    reviews = [scene.props.get("review") for scene in chunks(engine, book_id, "scene")]
    assert reviews == ([TEXT + "It struck.", TEXT + "It struck.", None] if mode == "review" else [None] * 3)


def test_progress_words_and_cost_are_summed_up_while_scenes_are_written(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    add_scenes(session, book_id, "", "", "")
    job_id = enqueue(session, "generate_book", book_id, props=NO_EXPORTS)
    asked, may_answer = threading.Semaphore(0), threading.Semaphore(0)

    def answer(_prompt: Prompt) -> str:
        asked.release()
        assert may_answer.acquire(timeout=20)
        return TEXT

    with running(processor_of_all(settings, AuthorWith(answer, cost_usd=0.25))):
        seen = []
        for _ in range(3):
            assert asked.acquire(timeout=20)
            seen.append(seen_from_outside(engine, job_id))
            may_answer.release()
        eventually(lambda: row(engine, job_id).state == "completed")
    second = seen[1]
    assert second["scenes"] == {"total": 3, "done": 1, "running": 1, "waiting": 1, "lost": 0, "words": 70}
    assert second["rolled_cost_usd"] == pytest.approx(0.25)
    assert second["rolled_progress"] == pytest.approx(1 / 3, abs=0.01)
    done = seen_from_outside(engine, job_id)
    assert (done["rolled_cost_usd"], done["rolled_progress"]) == (pytest.approx(0.75), 1.0)
    assert done["scenes"] == {"total": 3, "done": 3, "running": 0, "waiting": 0, "lost": 0, "words": 210}


@pytest.mark.usefixtures("environment")
def test_failed_children_alone_are_run_again_and_then_the_book_goes_on(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    add_scenes(session, book_id, "", "", "")
    job_id = enqueue(session, "generate_book", book_id, props={"export_formats": ["markdown"]})
    asked: list[str] = []

    def answer(prompt: Prompt) -> str:
        asked.append(prompt.messages[-1].content)
        if len(asked) == 2:
            raise RuntimeError("out of ink")
        return TEXT

    author = AuthorWith(answer)
    work(settings, author)
    before = children_of(engine, job_id)
    assert [child.state for child in before] == ["completed", "error", "cancelled"]
    with Session(read_only(engine)) as looking:
        lost = failed_children(looking, job_id)
    assert lost == [child.job_id for child in before[1:]]
    result = CliRunner().invoke(main, ["jobs", "retry", job_id, "--failed-children"])
    assert (result.stdout, result.stderr) == (f"{job_id}\n", "2 of its scene jobs run again.\n")
    work(settings, author)
    assert row(engine, job_id).state == "completed", row(engine, job_id).error_message
    after = children_of(engine, job_id)
    assert [child.job_id for child in after[:3]] == [child.job_id for child in before]
    assert [child.job_type for child in after[3:]] == ["export_book"]
    assert len(asked) == 4
    assert [scene.version for scene in chunks(engine, book_id, "scene")] == [2, 2, 2]


def test_all_scenes_are_written_anew_on_request_and_each_only_once(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    add_scenes(session, book_id, TEXT, TEXT)
    add_chunk(session, book_id, "task", "Write. {{ Brief }}", job_id=None, props={"name": "Alone"})
    job_id = enqueue(session, "generate_book", book_id, props=NO_EXPORTS | {"only_empty": False})
    answers = iter(["New.", RuntimeError("out of ink"), "New."])

    def answer(_prompt: Prompt) -> str:
        given = next(answers)
        if isinstance(given, Exception):
            raise given
        return given

    work(settings, AuthorWith(answer))
    assert row(engine, job_id).state == "failed"
    retry_in_own_session(engine, job_id)
    work(settings, AuthorWith(answer))
    assert row(engine, job_id).state == "completed"
    assert [(scene.text, scene.version) for scene in chunks(engine, book_id, "scene")] == [("New.", 2), ("New.", 2)]


@pytest.mark.parametrize("mode", ["rewrite", "edit", "copyedit", "review"])
def test_an_empty_book_has_nothing_to_revise(
    settings: Settings, session: Session, engine: Engine, book_id: str, mode: str
) -> None:
    add_scenes(session, book_id, "", "")
    job_id = enqueue(session, "generate_book", book_id, props={"mode": mode})
    work(settings)
    assert row(engine, job_id).state == "failed"
    assert f"nothing to {mode}" in str(row(engine, job_id).error_message)
