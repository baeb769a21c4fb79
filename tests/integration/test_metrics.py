"""What a worker says about its work at /metrics: real jobs, a real worker, its page read over HTTP."""

import contextlib
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob, JobProcessor, Retry, Snooze
from bookbot_worker.llm.client import Message, Prompt
from bookbot_worker.llm.errors import Kind, failure
from bookbot_worker.telemetry.database_figures import FigureReader
from shared.control import cancel_job
from shared.ids import new_id
from shared.job_types import RetryPolicy
from shared.models import Book
from shared.settings import Settings
from tests.support.claims import add_worker, claimed
from tests.support.postgres import free_port
from tests.support.product import AuthorWith
from tests.support.running import enqueue, eventually, processor_for, row, running
from tests.support.scrape import Figures, scrape

pytestmark = pytest.mark.integration


class Writes(BaseJob):
    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="written"))
        self.log("one")
        self.log("two")
        return True


class OnlyReads(BaseJob):
    def execute(self) -> bool:
        return True


class Fails(BaseJob):
    def execute(self) -> bool:
        return False


class Raises(BaseJob):
    def execute(self) -> bool:
        raise RuntimeError("no")


class RetriesOnce(BaseJob):
    def execute(self) -> bool:
        if self.job.attempt == 1:
            raise Retry("not yet", timedelta(0))
        return True


class Snoozes(BaseJob):
    def execute(self) -> bool:
        raise Snooze(timedelta(hours=1))


class Waits(BaseJob):
    def execute(self) -> bool:
        self.wait(timedelta(seconds=60))
        return True


class Asks(BaseJob):
    def execute(self) -> bool:
        self.llm.complete(Prompt((Message("user", str(self.job.props["say"])),), model=self.job.props["model"]))
        return True


def with_page(settings: Settings) -> Settings:
    return settings.model_copy(update={"health_port": free_port()})


def page(processor: JobProcessor) -> Figures:
    return scrape(processor.settings.health_port)


def figures_after(processor: JobProcessor, has_come: Callable[[Figures], bool]) -> Figures:
    """The first figures that fit, of a worker that may just be starting."""
    found: list[Figures] = []

    def fits() -> bool:
        with contextlib.suppress(OSError):  # the page is not open yet, or the machine is busy
            found.append(page(processor))
        return bool(found) and has_come(found[-1])

    eventually(fits)
    return found[-1]


def test_ends_are_counted_by_type_and_state_with_durations_waits_and_lines(settings: Settings, engine: Engine) -> None:
    classes = (Writes, OnlyReads, Fails, Raises, Waits)
    processor = processor_for(with_page(settings), *classes)
    with running(processor):
        for job_class in (Writes, Writes, OnlyReads, Fails, Raises):
            enqueue(engine, job_class)
        cancelled = enqueue(engine, Waits)
        eventually(lambda: row(engine, cancelled).state == "running")
        with Session(engine) as session:
            cancel_job(cancelled, session=session)
            session.commit()
        ended = {
            ("writes", "completed"): 2,
            ("only_reads", "completed"): 1,
            ("fails", "failed"): 1,
            ("raises", "error"): 1,
            ("waits", "cancelled"): 1,
        }

        def count(figures: Figures, job_type: str, state: str) -> float | None:
            return figures.get("bookbot_jobs_ended_total", job_type=job_type, state=state)

        figures = figures_after(processor, lambda now: all(count(now, *end) == n for end, n in ended.items()))
    assert count(figures, "writes", "error") == 0
    assert figures.get("bookbot_job_duration_seconds_count", job_type="writes") == 2
    assert figures.get("bookbot_job_wait_seconds_count", queue="default") == 6
    assert figures.get("bookbot_job_log_lines_total") == 2 * 2 + 1  # an error is a line too
    assert figures.get("bookbot_jobs_lost_claims_total") == 0


def test_why_jobs_wait_again_is_counted(settings: Settings, engine: Engine) -> None:
    processor = processor_for(with_page(settings), RetriesOnce, Snoozes, retry=RetryPolicy(max_attempts=2))
    with running(processor):
        enqueue(engine, RetriesOnce)
        enqueue(engine, Snoozes)
        name = "bookbot_jobs_postponed_total"
        figures = figures_after(
            processor,
            lambda now: (
                now.get(name, job_type="retries_once", reason="retry") == 1
                and now.get(name, job_type="snoozes", reason="snooze") == 1
                and now.get("bookbot_jobs_ended_total", job_type="retries_once", state="completed") == 1
            ),
        )
    assert figures.get(name, job_type="retries_once", reason="snooze") == 0


def test_calls_tokens_and_cost_are_counted_by_model(settings: Settings, engine: Engine) -> None:
    def answer(prompt: Prompt) -> str:
        if prompt.messages[0].content == "fail":
            raise failure(Kind.CUT, "example.com")
        return "a short answer"

    processor = processor_for(with_page(settings), Asks, llm=AuthorWith(answer, cost_usd=0.25))
    with running(processor):
        for model, say in (("one", "a"), ("one", "b"), ("two", "c"), ("two", "fail")):
            enqueue(engine, Asks, props={"say": say, "model": model})
        name = "bookbot_llm_calls_total"
        figures = figures_after(
            processor,
            lambda now: (
                [
                    now.get(name, model="one", status="done"),
                    now.get(name, model="two", status="done"),
                    now.get(name, model="two", status="failed"),
                ]
                == [2, 1, 1]
            ),
        )
    assert figures.get("bookbot_llm_cost_usd_total", model="one") == 0.5
    assert figures.get("bookbot_llm_tokens_total", model="one", kind="input") == 2
    assert figures.get("bookbot_llm_tokens_total", model="one", kind="output") == 2
    assert figures.get("bookbot_llm_call_duration_seconds_count", model="two") == 2


def test_the_page_shows_slots_pools_beats_and_the_queue(settings: Settings, engine: Engine) -> None:
    settings = with_page(settings).model_copy(update={"concurrency": 1})
    processor = processor_for(settings, Waits)
    with running(processor):
        waiting = [enqueue(engine, Waits) for _ in range(3)]
        figures = figures_after(
            processor,
            lambda now: (
                now.get("bookbot_worker_slots_busy") == 1
                and now.get("bookbot_queue_running_jobs", queue="default") == 1
            ),
        )
        with Session(engine) as session:
            for job_id in waiting:
                cancel_job(job_id, session=session)
            session.commit()
    assert figures.get("bookbot_queue_ready_jobs", queue="default") == 2
    assert figures.get("bookbot_worker_slots") == 1
    assert figures.get("bookbot_worker_slots_leaked") == 0
    assert figures.get("bookbot_worker_ready") == 1
    assert figures.get("bookbot_worker_state", state="running") == 1
    assert figures.get("bookbot_workers", state="running") == 1
    assert figures.get("bookbot_database_up") == 1
    assert 0 <= (figures.get("bookbot_worker_last_beat_age_seconds") or 0) < 60
    assert figures.get("bookbot_worker_pool_size", pool="jobs") == 1
    assert figures.get("bookbot_worker_pool_connections", pool="heartbeat", state="idle") is not None
    assert "process_resident_memory_bytes" in figures.names


def test_the_figures_of_the_database_are_those_of_one_moment(settings: Settings, engine: Engine) -> None:
    """A job that is claimed between two of the questions is not counted twice."""
    job_id = enqueue(engine, OnlyReads)
    reader = FigureReader(settings, "figures")

    def claim_before_running_is_asked(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "oldest_orphan" in statement:
            claimed(engine, add_worker(engine, lease=60), OnlyReads)

    event.listen(reader.engine, "before_cursor_execute", claim_before_running_is_asked)
    try:
        figures = eventually(lambda: reader.read().figures)  # which waits for them no longer than a page may
    finally:
        reader.close()
    assert row(engine, job_id).state == "running"
    queue = figures["queues"]["default"]
    assert (queue["ready"], queue["running"]) == (1, 0)


def test_a_worker_without_a_health_page_does_not_load_the_library(settings: Settings) -> None:
    code = (
        "import sys\n"
        "from bookbot_worker.daemon import build_processor\n"
        "processor = build_processor()\n"
        "processor.startup()\n"
        "processor.cycle()\n"
        "processor.shutdown()\n"
        "print('prometheus_client' in sys.modules)\n"
    )
    environment = {"DATABASE_URL": settings.database_url.get_secret_value(), "PATH": ""}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "False"
