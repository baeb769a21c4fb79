"""What hostile jobs log: stored whatever is in it, bounded, and not after the end."""

import threading
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob, BookJob
from bookbot_worker.telemetry.joblog import LINE_LIMIT, LINES_LIMIT
from shared.models import JobLog
from tests.support.hostile import MEGABYTE, Deed, Hostile, Quiet, Run, Unreadable, ends_in_error, nested
from tests.support.running import lines, row

pytestmark = pytest.mark.integration


def logging(*calls: tuple[tuple[Any, ...], dict[str, Any]]) -> Deed:
    def deed(job: BaseJob) -> object:
        for args, props in calls:
            job.log(*args, **props)
        return True

    return deed


@pytest.mark.parametrize("kind", [Hostile, Quiet])
@pytest.mark.parametrize(
    ("args", "props", "stored"),
    [
        (("a\x00b",), {}, "a\N{REPLACEMENT CHARACTER}b"),
        (("a\ud800b\udc00c",), {}, "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"),
        ((404,), {}, "404"),
        ((None,), {}, "None"),
        (("a level as long as a sentence", "x" * 200), {}, "a level as long as a sentence"),
        (("a level that is no text", 5), {}, "a level that is no text"),
        (("nul level", "a\x00b"), {}, "nul level"),
        (("nan",), {"value": float("nan")}, "nan"),
        (("object",), {"value": object()}, "object"),
        (("nul",), {"value": "\x00"}, "nul"),
        (("surrogate",), {"value": "\ud800"}, "surrogate"),
        (("digits",), {"value": 10**5000}, "digits"),
        (("deep",), {"value": nested(20_000)}, "deep"),
        (("unreadable",), {"value": Unreadable()}, "unreadable"),
        (("big",), {"value": "x" * MEGABYTE}, "big"),
        (("\x1b[31mred\u202e\r\nnew line",), {}, "\x1b[31mred\u202e\r\nnew line"),
    ],
    ids=[
        "nul",
        "surrogates",
        "number",
        "none",
        "long-level",
        "number-level",
        "nul-level",
        "nan-prop",
        "object-prop",
        "nul-prop",
        "surrogate-prop",
        "digits-prop",
        "deep-prop",
        "unreadable-prop",
        "big-prop",
        "controls",
    ],
)
def test_a_line_is_stored_whatever_is_in_it(
    run: Run, engine: Engine, args: tuple[Any, ...], props: dict[str, Any], stored: str, kind: type[BookJob]
) -> None:
    result = run(logging((args, props), (("and on",), {})), kind)
    assert (result.job.state, result.job.error_message) == ("completed", None)
    assert lines(engine, result.job.job_id) == [stored, "and on"]


def test_a_huge_line_is_cut(run: Run, engine: Engine) -> None:
    result = run(logging((("x" * MEGABYTE,), {})))
    (line,) = lines(engine, result.job.job_id)
    assert line == "x" * LINE_LIMIT + f"… [{MEGABYTE - LINE_LIMIT} more characters]"


def test_a_hundred_thousand_lines_are_capped_with_a_marker(
    run: Run, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookbot_worker.attempt.log.info", lambda *_args, **_values: None)
    result = run(logging(*[((f"line {number}",), {}) for number in range(1, 100_001)]), Quiet)
    assert result.job.state == "completed"
    stored = lines(engine, result.job.job_id)
    assert len(stored) == LINES_LIMIT + 1 == result.job.log_count
    assert stored[-2:] == [f"line {LINES_LIMIT}", f"more than {LINES_LIMIT} lines; the rest is left out"]


def test_lines_and_progress_of_a_thread_that_outlives_its_job_are_dropped(run: Run, engine: Engine) -> None:
    has_settled = threading.Event()
    threads: list[threading.Thread] = []

    def deed(job: BaseJob) -> object:
        def chatter() -> None:
            has_settled.wait(20)
            job.log("too late")
            job.progress(0.5, "too late")

        job.log("in time")
        threads.append(threading.Thread(target=chatter))
        threads[0].start()
        return True

    result = run(deed)
    has_settled.set()
    threads[0].join(20)
    assert not threads[0].is_alive()
    assert lines(engine, result.job.job_id) == ["in time"]
    after = row(engine, result.job.job_id)
    assert (after.state, after.log_count, after.progress, after.progress_message) == ("completed", 1, 1.0, None)


@pytest.mark.parametrize(
    ("fraction", "stored"),
    [(float("nan"), 0.0), (7, 1.0), (-1, 0.0), (float("inf"), 1.0), (0.25, 0.25)],
)
def test_progress_is_always_between_zero_and_one(run: Run, fraction: float, stored: float) -> None:
    def deed(job: BaseJob) -> object:
        job.progress(fraction, "half\x00way")
        job.job.error_message = "stopped there"
        return False

    result = run(deed)
    assert (result.job.state, result.job.progress) == ("failed", stored)
    assert result.job.progress_message == "half\N{REPLACEMENT CHARACTER}way"


def test_progress_that_is_no_number_is_the_jobs_error(run: Run) -> None:
    assert "ValueError" in ends_in_error(run(lambda job: job.progress("x")))  # type: ignore[arg-type, func-returns-value]


def test_what_is_logged_is_what_it_was_when_it_was_logged(run: Run, engine: Engine) -> None:
    def deed(job: BaseJob) -> object:
        seen: dict[str, Any] = {"count": 1}
        job.log("seen", seen=seen)
        seen["count"] = object()
        return True

    job_id = run(deed).job.job_id
    with Session(engine) as session:
        assert session.scalars(select(JobLog.props).filter_by(job_id=job_id)).all() == [{"seen": {"count": 1}}]
