"""Every reason for waiting has its sentence, and the first one that holds is the one that is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.line import COUNTED
from shared.why import Facts, why_waiting

pytestmark = pytest.mark.unit

NOW = datetime(2030, 1, 31, 9, 0, tzinfo=UTC)
READY = Facts(
    state="waiting",
    job_type="demo",
    queue="default",
    run_at=NOW,
    now=NOW,
    live_workers=1,
    knows_type=True,
    serves_queue=True,
)
PAUSED = replace(READY, live_workers=0, knows_type=False, serves_queue=False, has_paused_worker=True)
LATER = NOW + timedelta(hours=1)
FOUR = tuple((f"job-{number}", "running") for number in range(4))


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (READY, "next in line, position 1"),
        (replace(READY, position=7), "next in line, position 7"),
        (replace(READY, position=COUNTED + 1), "in line, more than 1000 jobs are ahead"),
        (replace(READY, state="running"), "not waiting: it is running"),
        (replace(READY, run_at=LATER), "scheduled for 2030-01-31 10:00:00 UTC"),
        (replace(READY, run_at=LATER, attempt=2), "scheduled for 2030-01-31 10:00:00 UTC, to start attempt 3"),
        (replace(READY, is_queue_paused=True), "the queue 'default' is paused"),
        (
            replace(READY, queue_limit=2, queue_running=2),
            "the queue 'default' runs 2 jobs, its limit is 2",
        ),
        (replace(READY, queue_limit=2, queue_running=1), "next in line, position 1"),
        (replace(READY, blockers=FOUR[:1]), "blocked until other jobs are done: job-0 (running)"),
        (
            replace(READY, blockers=FOUR),
            "blocked until other jobs are done: job-0 (running), job-1 (running), job-2 (running) and 1 more",
        ),
        (replace(READY, book_locked_by="job-1"), "the book is locked by job job-1"),
        (replace(READY, chunk_locked_by="job-2"), "a chunk it needs is locked by job job-2"),
        (replace(READY, earlier_job="job-3"), "job job-3, which needs the same book or chunk, comes first"),
        (replace(READY, live_workers=0), "no worker is running; start one with: bookbot-worker run"),
        (replace(READY, knows_type=False), "no live worker knows the job type 'demo'"),
        (replace(READY, serves_queue=False), "no live worker that knows 'demo' serves the queue 'default'"),
        (
            replace(READY, trouble="the database is read-only"),
            "the workers that could run it can do no work: the database is read-only",
        ),
        (
            replace(READY, suspect="job-4"),
            "it lost two workers, as did job job-4: which of them kills is found out one at a time",
        ),
        (replace(READY, has_paused_worker=True), "next in line, position 1"),
        (PAUSED, "the workers that know 'demo' are paused"),
        (replace(PAUSED, live_workers=1), "the workers that know 'demo' are paused"),
        (
            replace(PAUSED, live_workers=1, knows_type=True),
            "the workers that know 'demo' and serve the queue 'default' are paused",
        ),
    ],
)
def test_each_reason_has_its_sentence(facts: Facts, sentence: str) -> None:
    assert why_waiting(facts) == sentence


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (replace(READY, blockers=FOUR, run_at=LATER, is_queue_paused=True), "blocked"),
        (replace(READY, run_at=LATER, is_queue_paused=True, live_workers=0), "scheduled"),
        (replace(READY, is_queue_paused=True, live_workers=0), "paused"),
        (replace(PAUSED, is_queue_paused=True), "the queue 'default' is paused"),
        (replace(PAUSED, book_locked_by="job-1"), "are paused"),
        (replace(READY, live_workers=0, knows_type=False, book_locked_by="job-1"), "no worker"),
        (replace(READY, knows_type=False, serves_queue=False, book_locked_by="job-1"), "knows the job type"),
        (replace(READY, book_locked_by="job-1", chunk_locked_by="job-2", position=9), "the book is locked"),
    ],
)
def test_the_reason_that_must_go_first_is_told_first(facts: Facts, word: str) -> None:
    assert word in why_waiting(facts)
