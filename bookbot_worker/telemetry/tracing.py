"""Spans of OpenTelemetry: one for every run of a job, one for every call to a language model within it.

Owns what spans are called and say; docs/tracing.md lists it. The run's span belongs to the trace its job was enqueued
in. No prompt, answer, title or prop is ever part of a span. Where the process has set up a tracer provider, that is
used; else one that exports by OTLP, as the OTEL_… variables of the environment say.
"""

import os
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from bookbot_worker.outcomes import Errored, Failed, JobCancelled, Outcome, Postponed
from shared.errors import ConfigurationError
from shared.job_types import JobType
from shared.models import Job

try:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError as error:
    raise ConfigurationError(f"BOOKBOT_TRACING: {error.name} is missing; install bookbot-jobs[otel]") from error

FAREWELL_SECONDS = 3.0
"""How long the end of a worker waits for spans to be sent; a collector that is away must not hold it up."""

SERVICE = "bookbot-worker"


class TracedAttempt(Protocol):
    """What a span says of an attempt."""

    @property
    def job(self) -> Job: ...
    @property
    def job_id(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def job_type(self) -> JobType: ...


Traced = TypeVar("Traced", bound=TracedAttempt)


class Tracing:
    """Puts spans around what the engine calls."""

    def __init__(self, worker_id: str) -> None:
        self._own: TracerProvider | None = None
        provider = trace.get_tracer_provider()
        if isinstance(provider, trace.ProxyTracerProvider):
            self._own = provider = TracerProvider(resource=_resource(worker_id))
            self._own.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = provider.get_tracer("bookbot_worker")
        self._parents = TraceContextTextMapPropagator()

    def around(self, execute: Callable[[Traced], Outcome]) -> Callable[[Traced], Outcome]:
        """`execute` in a span, child of the one the job was enqueued in."""

        def traced(attempt: Traced) -> Outcome:
            job, name = attempt.job, attempt.job_type.name
            carrier = {"traceparent": job.trace_context} if job.trace_context else {}
            about: dict[str, str | int] = {
                "bookbot.job_id": attempt.job_id,
                "bookbot.job_type": name,
                "bookbot.queue": job.queue,
                "bookbot.attempt": attempt.number,
                **({"bookbot.book_id": job.book_id} if job.book_id else {}),
            }
            with self._tracer.start_as_current_span(
                f"job {name}", self._parents.extract(carrier), trace.SpanKind.CONSUMER, about
            ) as span:
                outcome = execute(attempt)
                span.set_attribute("bookbot.outcome", type(outcome).__name__.lower())
                if isinstance(outcome, Errored | Failed):
                    span.set_status(trace.StatusCode.ERROR, outcome.message)
                elif isinstance(outcome, Postponed):
                    span.set_attribute("bookbot.reason", outcome.reason)
                return outcome

        return traced

    def author(self, llm: Any) -> Any:
        """`llm`, every call in a span."""
        return TracedAuthor(llm, self._tracer)

    def close(self) -> None:
        """Send what is left, within FAREWELL_SECONDS. A provider that is not ours is left alone."""
        if self._own is not None:
            farewell = threading.Thread(target=self._own.shutdown, name="tracing-farewell", daemon=True)
            farewell.start()
            farewell.join(FAREWELL_SECONDS)


class TracedAuthor:
    """An LLM (`llm.client`) whose calls are spans, named as the semantic conventions for generative AI have it."""

    def __init__(self, llm: Any, tracer: trace.Tracer) -> None:
        self._llm = llm
        self._tracer = tracer

    def complete(self, prompt: Any, listener: Any) -> Any:
        """See `LLM.complete`."""
        asked = {"gen_ai.operation.name": "chat", **({"gen_ai.request.model": prompt.model} if prompt.model else {})}
        with self._tracer.start_as_current_span(
            f"chat {prompt.model}" if prompt.model else "chat",
            kind=trace.SpanKind.CLIENT,
            attributes=asked,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                completion = self._llm.complete(prompt, listener)
            except BaseException as error:
                span.set_attribute("error.type", _kind_of(error))
                if not isinstance(error, JobCancelled):
                    span.set_status(trace.StatusCode.ERROR)
                raise
            span.set_attribute("gen_ai.provider.name", completion.provider)
            span.set_attribute("gen_ai.response.model", completion.model)
            span.set_attribute("gen_ai.response.finish_reasons", (completion.finish_reason,))
            span.set_attribute("gen_ai.usage.input_tokens", completion.input_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", completion.output_tokens)
            return completion


def _kind_of(error: BaseException) -> str:
    if isinstance(error, JobCancelled):
        return "cancelled"
    return str(getattr(error, "kind", "") or type(error).__name__)


def _resource(worker_id: str) -> Resource:
    """Who sends the spans; a name that the environment gives wins."""
    given = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    is_named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in given
    return Resource.create({"service.instance.id": worker_id} | ({} if is_named else {"service.name": SERVICE}))
