"""Traces, by the real SDK: from the span a job is enqueued in, over its run, to the call it makes."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob, Retry
from bookbot_worker.llm.client import Message, Prompt
from bookbot_worker.llm.errors import Kind, failure
from bookbot_worker.testing import ScriptedLLM
from shared.enqueue import NewJob, create_job, create_jobs
from shared.job_types import RetryPolicy
from shared.models import Job
from shared.settings import Settings
from tests.support.docs import ROOT, plain_blocks
from tests.support.running import declare, enqueue, processor_for, row

pytestmark = pytest.mark.integration

PRIVATE = "nobody must read this"


class Asks(BaseJob):
    def execute(self) -> bool:
        self.llm.complete(Prompt((Message("user", PRIVATE),), model="small"))
        return True


class Starts(BaseJob):
    def execute(self) -> bool:
        declare(Asks)
        self.create_jobs([NewJob("asks", parent_job_id=self.job.job_id)])
        return True


class Fails(BaseJob):
    def execute(self) -> bool:
        self.job.error_message = "no"
        return False


class TriesAgain(BaseJob):
    def execute(self) -> bool:
        if self.job.attempt == 1:
            raise Retry("not yet", timedelta(0))
        return True


@pytest.fixture(scope="session")
def exporter() -> InMemorySpanExporter:
    """Of the process's one tracer provider, which can be set only once."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    exporter.clear()
    yield exporter
    exporter.clear()


@pytest.fixture
def traced(settings: Settings) -> Settings:
    return settings.model_copy(update={"tracing": True})


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def trace_ids(spans: Sequence[ReadableSpan]) -> set[int]:
    return {span.context.trace_id for span in spans if span.context}


def test_a_run_and_its_call_are_part_of_the_trace_the_job_was_enqueued_in(
    traced: Settings, engine: Engine, spans: InMemorySpanExporter
) -> None:
    processor = processor_for(traced, Asks, llm=ScriptedLLM("an answer"))
    with trace.get_tracer("test").start_as_current_span("request") as request:
        job_id = enqueue(engine, Asks)
    processor.run(until_empty=True)
    (run,), (call,) = named(spans, "job asks"), named(spans, "chat small")
    assert run.parent is not None
    assert call.parent is not None
    assert run.context is not None
    assert run.parent.span_id == request.get_span_context().span_id
    assert call.parent.span_id == run.context.span_id
    assert trace_ids([run, call]) == {request.get_span_context().trace_id}
    assert run.attributes is not None
    assert dict(run.attributes) == {
        "bookbot.job_id": job_id,
        "bookbot.job_type": "asks",
        "bookbot.queue": "default",
        "bookbot.attempt": 1,
        "bookbot.outcome": "completed",
    }
    assert call.attributes is not None
    assert call.attributes["gen_ai.response.model"] == "small"
    assert call.attributes["gen_ai.usage.output_tokens"] == 2
    assert not [
        span for span in spans.get_finished_spans() if PRIVATE in span.to_json() or "an answer" in span.to_json()
    ]


def test_jobs_that_a_job_starts_are_part_of_its_trace(
    traced: Settings, engine: Engine, spans: InMemorySpanExporter
) -> None:
    processor = processor_for(traced, Starts, Asks, llm=ScriptedLLM("an answer"))
    enqueue(engine, Starts)
    processor.run(until_empty=True)
    (first,), (second,) = named(spans, "job starts"), named(spans, "job asks")
    assert first.parent is None
    assert first.context is not None
    assert second.parent is not None
    assert second.parent.span_id == first.context.span_id


def test_each_attempt_has_its_span_and_says_how_it_ended(
    traced: Settings, engine: Engine, spans: InMemorySpanExporter
) -> None:
    processor = processor_for(traced, Fails, TriesAgain, retry=RetryPolicy(max_attempts=2))
    enqueue(engine, Fails)
    enqueue(engine, TriesAgain)
    processor.run(until_empty=True)
    (failed,) = named(spans, "job fails")
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "no")
    tries = [dict(span.attributes or {}) for span in named(spans, "job tries_again")]
    assert [(one["bookbot.attempt"], one["bookbot.outcome"]) for one in tries] == [(1, "postponed"), (2, "completed")]
    assert tries[0]["bookbot.reason"] == "not yet"


def test_a_call_that_fails_says_how(traced: Settings, engine: Engine, spans: InMemorySpanExporter) -> None:
    processor = processor_for(traced, Asks, llm=ScriptedLLM(failure(Kind.CUT, "example.com")))
    enqueue(engine, Asks)
    processor.run(until_empty=True)
    (call,), (run,) = named(spans, "chat small"), named(spans, "job asks")
    assert (call.status.status_code, (call.attributes or {})["error.type"]) == (StatusCode.ERROR, "cut")
    assert call.events == ()
    assert run.status.status_code is StatusCode.ERROR


def test_a_worker_that_does_not_trace_makes_no_spans(
    settings: Settings, engine: Engine, spans: InMemorySpanExporter
) -> None:
    enqueue(engine, Fails)
    processor_for(settings, Fails).run(until_empty=True)
    assert spans.get_finished_spans() == ()


@pytest.mark.usefixtures("spans", "environment")
def test_the_page_about_traces_does_not_lie(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = plain_blocks(ROOT / "docs" / "tracing.md")
    exec(example, {})  # noqa: S102 - the page's own code
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]\n", capsys.readouterr().out)


@pytest.mark.usefixtures("spans")
def test_jobs_enqueued_one_by_one_and_in_bulk_keep_the_span_and_others_nothing(session: Session) -> None:
    outside = create_job(job_type="demo", session=session).job_id
    with trace.get_tracer("test").start_as_current_span("request") as request:
        one = create_job(job_type="demo", unique_key="k", session=session).job_id
        many = [job.job_id for job in create_jobs([NewJob("demo") for _ in range(150)], session=session)]
    session.commit()
    context = request.get_span_context()
    kept = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
    session.expire_all()
    assert session.get_one(Job, outside).trace_context is None
    assert {session.get_one(Job, job_id).trace_context for job_id in (one, *many)} == {kept}


def test_a_context_that_is_damaged_costs_only_the_parent(
    traced: Settings, engine: Engine, spans: InMemorySpanExporter
) -> None:
    job_id = enqueue(engine, Fails)
    with Session(engine) as session:
        session.get_one(Job, job_id).trace_context = "00-zz"
        session.commit()
    processor_for(traced, Fails).run(until_empty=True)
    assert row(engine, job_id).state == "failed"
    assert named(spans, "job fails")[0].parent is None
