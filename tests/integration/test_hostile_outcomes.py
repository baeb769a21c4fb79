"""What hostile jobs return and raise: always one readable outcome."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from bookbot_worker import BaseJob, BookJob, Retry, Snooze
from shared.enqueue import NewJob
from shared.ids import new_id
from tests.support.hostile import MEGABYTE, Deed, Hostile, Quiet, Run, Unreadable, ends_in_error
from tests.support.running import lines

pytestmark = pytest.mark.integration


def a_generator(_job: BaseJob) -> object:
    return (number for number in range(3))


def a_coroutine(_job: BaseJob) -> object:
    async def later() -> bool:
        return True

    coroutine = later()
    coroutine.close()
    return coroutine


@pytest.mark.parametrize(
    ("returned", "named"),
    [
        (lambda _job: None, "None"),
        (lambda _job: 1, "1"),
        (lambda _job: 0, "0"),
        (lambda _job: "yes", "'yes'"),
        (lambda _job: object(), "object"),
        (a_generator, "generator"),
        (a_coroutine, "coroutine"),
        (lambda _job: Unreadable(), "Unreadable"),
        (lambda _job: "x" * MEGABYTE, "xxx"),
    ],
    ids=["None", "1", "0", "text", "object", "generator", "coroutine", "unreadable", "megabyte"],
)
def test_a_wrong_return_value_is_an_error_that_names_the_legal_ones(run: Run, returned: Deed, named: str) -> None:
    message = ends_in_error(run(returned))
    assert "must return True or False" in message
    assert named in message
    assert len(message) < 400


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("nothing to say")


class Numeric(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]


def raising(error: BaseException) -> Deed:
    def deed(_job: BaseJob) -> object:
        raise error

    return deed


def recurse(job: BaseJob) -> object:
    return recurse(job)


@pytest.mark.parametrize(
    ("misdeed", "expected"),
    [
        (raising(SystemExit(3)), "SystemExit: 3"),
        (raising(KeyboardInterrupt()), "KeyboardInterrupt"),
        (raising(MemoryError()), "MemoryError"),
        (recurse, "RecursionError: maximum recursion depth exceeded"),
        (raising(GeneratorExit()), "GeneratorExit"),
        (raising(StopIteration("done")), "StopIteration: done"),
        (raising(Mute()), "Mute: (its text cannot be shown: ValueError)"),
        (raising(Numeric()), "Numeric: (its text cannot be shown: TypeError)"),
        (raising(RuntimeError("x" * 50 * MEGABYTE)), "RuntimeError: xxx"),
        (raising(RuntimeError("a\x00b\ud800c")), "RuntimeError: a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"),
        (raising(RuntimeError()), "RuntimeError"),
        (raising(BaseExceptionGroup("many", [KeyboardInterrupt(), ValueError("x")])), "BaseExceptionGroup: many"),
        (raising(UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates")), "UnicodeEncodeError"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_whatever_a_job_raises_is_recorded(run: Run, misdeed: Deed, expected: str) -> None:
    result = run(misdeed)
    assert ends_in_error(result).startswith(expected)
    assert "test_hostile_outcomes.py" in (result.job.error_trace or "")
    assert len(result.job.error_trace or "") <= 40_000


@pytest.mark.parametrize(
    "misdeed",
    [
        lambda _job: Retry("soon", "in a minute"),  # type: ignore[arg-type]
        lambda _job: Snooze(5),  # type: ignore[arg-type]
        lambda _job: Snooze(timedelta.max),
        lambda job: job.await_jobs(["no id"], "an id that is none"),
        lambda job: job.await_jobs([5], "a number"),
        lambda job: job.await_jobs([None], "nothing"),
        lambda job: job.await_jobs([new_id()], "a job that does not exist"),
        lambda job: job.await_jobs(7, "not even a list"),
        lambda job: job.create_jobs([NewJob("no such type")]),
        lambda job: job.create_jobs([NewJob("good", depends_on=[new_id()])]),
        lambda job: job.wait("a minute"),
    ],
    ids=[
        "retry-after-text",
        "snooze-number",
        "snooze-for-ever",
        "await-no-id",
        "await-number",
        "await-none",
        "await-unknown",
        "await-no-list",
        "create-unknown-type",
        "create-with-unknown-dependency",
        "wait-for-text",
    ],
)
@pytest.mark.parametrize("kind", [Hostile, Quiet])
def test_wrong_arguments_to_the_engine_are_the_jobs_error(
    run: Run, engine: Engine, misdeed: Deed, kind: type[BookJob]
) -> None:
    result = run(misdeed, kind)
    message = ends_in_error(result)
    assert "the worker failed" not in message
    assert lines(engine, result.job.job_id)[-1] == message
