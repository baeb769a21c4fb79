"""What the pages of jobs decide without a database: the course, the pace, hints, charts, places in a log."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bookbot_web.charts import HEIGHT, WIDTH, lines, stacked, top_of
from bookbot_web.hints import hint_for
from bookbot_web.pace import pace
from bookbot_web.pages.job_log import place_of
from bookbot_web.timeline import timeline, troubles
from bookbot_worker.llm.errors import SENTENCES
from shared.errors import InvalidInput

pytestmark = pytest.mark.unit

NOW = datetime(2030, 1, 31, 9, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def job(state: str, **values: Any) -> dict[str, Any]:
    given = {
        "state": state, "created_at": ago(100), "run_at": ago(100), "started_at": None, "completed_at": None,
        "attempt": 1, "max_attempts": 1, "losses": 0, "interruptions": 0, "children": {}, "scenes": None,
        "rolled_progress": 0.0,
    }  # fmt: skip
    return given | values


def course(row: dict[str, Any]) -> list[tuple[str, str, float | None]]:
    return [(step.name, step.then, step.seconds) for step in timeline(row, NOW)]


def test_a_finished_job_has_waited_and_run() -> None:
    row = job("completed", started_at=ago(90), completed_at=ago(30))
    assert course(row) == [("created", "waited", 10), ("started", "ran", 60), ("completed", "", None)]


def test_a_waiting_job_waits_still() -> None:
    assert course(job("waiting", attempt=0)) == [("created", "waits", 100), ("starts", "", None)]


def test_a_job_for_later_is_put_off_until_it_is_due() -> None:
    row = job("waiting", attempt=0, run_at=NOW + timedelta(hours=1))
    assert course(row) == [("created", "put off", 100), ("due", "", None)]


def test_an_earlier_attempt_lies_before_this_one_is_due() -> None:
    row = job("running", run_at=ago(20), started_at=ago(15), attempt=2, max_attempts=6)
    steps = timeline(row, NOW)
    assert [step.then for step in steps] == ["attempts and pauses", "waited", "runs", ""]
    assert steps[2].note == "attempt 2 of 6"
    assert steps[2].goes_on


def test_a_job_called_off_before_it_ran_has_only_waited() -> None:
    row = job("cancelled", attempt=0, completed_at=ago(40))
    assert course(row) == [("created", "waited", 60), ("cancelled", "", None)]


def test_no_length_is_below_zero_where_a_clock_was_set_back() -> None:
    row = job("completed", created_at=ago(10), run_at=ago(50), started_at=ago(60), completed_at=ago(70))
    assert all((step.seconds or 0) >= 0 for step in timeline(row, NOW))


def test_what_happened_on_the_way_is_said() -> None:
    assert troubles(job("running", losses=1, interruptions=2)) == [
        "once its worker was lost, without progress",
        "2 times the database broke it off",
    ]


def test_what_is_left_takes_as_long_as_what_is_done() -> None:
    found = pace(job("running", started_at=ago(60), rolled_progress=0.25), NOW)
    assert found is not None
    assert found.remaining == pytest.approx(180)
    assert found.rate == "25 % a minute"


@pytest.mark.parametrize(("seconds", "words"), [(10, "5 % a second"), (600, "5 % a minute"), (36_000, "5 % an hour")])
def test_a_pace_is_said_in_a_handy_unit(seconds: float, words: str) -> None:
    found = pace(job("running", started_at=ago(seconds), rolled_progress=0.5), NOW)
    assert found is not None
    assert found.rate == words


def test_scenes_are_counted_in_words_while_their_parent_waits_for_them() -> None:
    row = job("waiting", children={"running": 1}, rolled_progress=0.5, scenes={"words": 1000})
    found = pace(row, NOW)
    assert found is not None
    assert found.rate == "600 words a minute"


@pytest.mark.parametrize(
    "row",
    [
        job("running", started_at=ago(60), rolled_progress=0.01),
        job("running", started_at=ago(1), rolled_progress=0.5),
        job("completed", started_at=ago(60), rolled_progress=1.0),
        job("waiting"),
    ],
)
def test_nothing_is_foretold_too_early_or_too_late(row: dict[str, Any]) -> None:
    assert pace(row, NOW) is None


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("worker lost 3 times without progress: gone", "journalctl"),
        ("over the budget of the day: $5.00 of $5.00", "midnight UTC"),
        ("ValueError: invalid literal", "job's own code"),
        ("The job ran longer than its limit of 20 min.", "time limit"),
        ("2 of 5 scenes were not written (x); retry this job to write only those.", "Retry failed only"),
        ("golden rule: a job must not commit", "remove that call"),
        ("props.steps: Input should be less than 1000", "enqueue it anew"),
    ],
)
def test_an_error_has_a_hint(message: str, words: str) -> None:
    assert words in (hint_for(message) or "")


def test_every_sentence_about_an_llm_that_is_no_fault_of_this_side_has_a_hint() -> None:
    sentences = {kind: sentence.format(host="host.example") for kind, sentence in SENTENCES.items()}
    without = {kind for kind, sentence in sentences.items() if hint_for(sentence) is None}
    assert without == {"bad_answer", "closed", "refused"}


def test_an_unknown_error_has_no_hint() -> None:
    assert hint_for("it is what it is") is None
    assert hint_for(None) is None


@pytest.mark.parametrize(("largest", "top"), [(0, 1), (1, 1), (3, 5), (10, 10), (11, 20), (240, 250), (0.03, 0.05)])
def test_a_scale_ends_at_a_round_figure(largest: float, top: float) -> None:
    assert top_of(largest) == pytest.approx(top)


def test_columns_are_stacked_from_the_ground_up_and_stay_in_the_picture() -> None:
    bars = stacked([[("completed", 3), ("error", 1)], [("completed", 0), ("error", 4)]], 4)
    assert [bar.kind for bar in bars] == ["completed", "error", "error"]
    assert bars[0].y + bars[0].height == HEIGHT
    assert bars[1].y + bars[1].height == bars[0].y
    assert bars[2].y == 0
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH for bar in bars)


def test_a_gap_in_the_figures_interrupts_a_line() -> None:
    found = lines([1, 2, None, 3], 4, "p50")
    assert [len(line.points.split()) for line in found] == [2, 2]
    assert lines([None, None], 4, "p50") == []


@pytest.mark.parametrize("text", ["x", "1", "-1", "1-", "1-x", "1-2-3", "²-1", "1" * 30 + "-1"])
def test_what_is_no_place_in_a_log_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        place_of("before", text)


def test_a_place_is_read() -> None:
    assert place_of("before", "2-117") == (2, 117)
    assert place_of("before", "") is None
