"""What hostile jobs leave on their row: results, messages, and columns that are the engine's."""

from typing import Any

import pytest
from sqlalchemy import Engine

from bookbot_worker import BaseJob, BookJob
from tests.support.hostile import (
    MEGABYTE,
    Hostile,
    Quiet,
    Run,
    Unreadable,
    ends_in_error,
    nested,
    setting,
    write_a_chunk_of_no_book,
)
from tests.support.running import lines

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a\x00b\udfff", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"),
        (404, "404"),
        (["a", "list"], "['a', 'list']"),
    ],
    ids=["nul-and-surrogate", "number", "list"],
)
def test_a_failure_message_is_kept_in_storable_form(run: Run, given: object, kept: str) -> None:
    result = run(setting(error_message=given))
    assert (result.job.state, result.job.error_message) == ("failed", kept)
    assert result.titles == ["by the good job"]


def test_a_huge_failure_message_is_cut(run: Run) -> None:
    result = run(setting(error_message="x" * 10 * MEGABYTE))
    assert result.job.state == "failed"
    assert len(result.job.error_message or "") < 10_000
    assert "more characters" in (result.job.error_message or "")


def test_a_failure_message_that_cannot_be_read_does_not_hide_the_failure(run: Run) -> None:
    def deed(job: BaseJob) -> object:
        job.job.error_message = Unreadable()  # type: ignore[assignment]
        return False

    assert ends_in_error(run(deed))


def circle() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


RESULTS: dict[str, Any] = {
    "object": {"value": object()},
    "not-a-number": {"value": float("nan")},
    "infinity": {"value": float("inf")},
    "megabyte": {"value": "x" * MEGABYTE},
    "nul": {"value": "\x00"},
    "surrogate-key": {"\ud800": 1},
    "five-thousand-digits": {"value": 10**5000},
    "deep": {"value": nested(20_000)},
    "circle": {"value": circle()},
    "unreadable": {"value": Unreadable()},
    "unreadable-itself": Unreadable(),
    "text": "text",
    "bytes": b"\x00\xff",
    "set": {1, 2},
    "tuple-keys": {(1, 2): 3},
}


@pytest.mark.parametrize("kind", [Hostile, Quiet])
@pytest.mark.parametrize("value", RESULTS.values(), ids=RESULTS.keys())
def test_a_result_no_database_can_hold_does_not_stop_the_worker(run: Run, value: object, kind: type[BookJob]) -> None:
    result = run(setting(result=value), kind)
    assert result.job.state == "completed"
    assert "by the good job" in result.titles
    assert len(str(result.job.result)) < 70_000


def test_a_result_that_is_no_json_object_is_kept_as_text_and_the_log_says_so(run: Run, engine: Engine) -> None:
    result = run(setting(result={1, 2}))
    assert result.job.result == {"unreadable": "{1, 2}"}
    assert lines(engine, result.job.job_id) == [
        "self.job.result is not a JSON object of at most 64 KiB; its text is kept instead"
    ]


def test_a_result_does_not_outlive_the_writes_it_tells_of(run: Run) -> None:
    def deed(job: BaseJob) -> object:
        job.job.result = {"chunk": "the one below"}
        return write_a_chunk_of_no_book(job)

    result = run(deed)
    ends_in_error(result)
    assert result.job.result is None


@pytest.mark.parametrize("kind", [Hostile, Quiet])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "completed"),
        ("state", "nonsense"),
        ("claim_id", None),
        ("job_id", None),
        ("job_id", "nonsense"),
        ("book_id", None),
        ("chunk_id", 5),
        ("lock_scope", None),
        ("attempt", "many"),
        ("log_count", None),
        ("log_count", "many"),
        ("props", None),
        ("worker_id", None),
        ("completed_at", "now"),
    ],
)
def test_what_a_job_sets_on_its_row_is_not_stored_and_frees_no_other_lock(
    run: Run, name: str, value: object, kind: type[BookJob]
) -> None:
    result = run(setting(**{name: value}), kind)
    assert result.job.state == "completed"
    assert result.job.lock_scope == "book"
    assert (result.job.attempt, result.job.log_count) == (1, 0)
