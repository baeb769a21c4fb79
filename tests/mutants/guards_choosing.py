"""Guards of which job is claimed, and when: pauses, limits, turns of low priorities, the one statement, company.

Left out, because no test can tell them apart:
- that `_claim` leaves out of `_start` what the one statement has started: its rows do not wait any more.
- the look of `tick` (shared/schedules.py) at what is due, alone: `due_schedules` has looked, and a tick is marked once.
"""

from tests.mutants.guard import INTEGRATION, Guard, guard

LIMITING = f"{INTEGRATION}test_limits.py::"
AGEING = f"{INTEGRATION}test_ageing.py::"
GUARDS_OF_OPERATING = f"{INTEGRATION}test_guards_operating.py::"
PACES = "tests/unit/test_pace.py"

CANDIDATES = "bookbot_worker/queue/candidates.py"
CLAIM = "bookbot_worker/queue/claim.py"
LIMITS = "bookbot_worker/queue/limits.py"
TURNS = "bookbot_worker/queue/ageing.py"
PACE = "bookbot_worker/pace.py"
PROCESSOR = "bookbot_worker/processor.py"

WITH_EMPTY_HANDS = LIMITING + "test_a_claim_waits_for_a_limit_only_with_empty_hands"
LEVELS = AGEING + "test_of_every_twenty_jobs_one_is_of_a_lower_level_and_levels_take_turns"

CHOOSING: tuple[Guard, ...] = (
    guard(
        "queue-pause",
        "a queue was paused because its jobs do harm",
        f"{INTEGRATION}test_claim.py::test_types_queues_and_pauses_are_respected",
        (CANDIDATES, "        job.queue.not_in(select(Queue.queue).where(Queue.paused_at.is_not(None))),\n", ""),
    ),
    guard(
        "queue-pause-after-the-look",
        "what was paused between the look and the lock does not start either",
        GUARDS_OF_OPERATING + "test_a_queue_that_is_paused_between_the_look_and_the_lock_starts_nothing",
        (LIMITS, "    if paused_at is not None:\n        return 0\n", ""),
    ),
    guard(
        "limit-counts-what-runs",
        "a limit is about all workers, not about one claim",
        LIMITING + "test_no_more_of_a_queue_run_than_it_may",
        (LIMITS, "                room[key] -= running\n", "                pass\n"),
    ),
    guard(
        "limit-counts-what-it-takes",
        "nor is one claim free to take all there is",
        LIMITING + "test_no_more_of_a_queue_run_than_it_may",
        (LIMITS, "                left[key] -= 1\n", "                pass\n"),
    ),
    guard(
        "limit-of-the-queue-and-the-type",
        "a job must be within both",
        LIMITING + "test_a_queue_and_a_type_limit_the_same_job",
        (LIMITS, "        if any(key in in_hand", "        if all(key in in_hand"),
    ),
    guard(
        "limit-is-held",
        "two claims that count at once would both find the last place",
        LIMITING + "test_twelve_racing_claimers_never_exceed_a_limit[postgresql]",
        (LIMITS, "queues.order_by(Queue.queue).with_for_update(skip_locked=skip)", "queues.order_by(Queue.queue)"),
        (
            LIMITS,
            "types.order_by(JobTypeLimit.job_type).with_for_update(skip_locked=skip)",
            "types.order_by(JobTypeLimit.job_type)",
        ),
    ),
    guard(
        "limit-in-hand-is-left",
        "what another claim has in hand cannot be counted",
        WITH_EMPTY_HANDS,
        (LIMITS, "key in in_hand or left.get(key, 1) <= 0", "left.get(key, 1) <= 0"),
    ),
    guard(
        "limit-waits-with-empty-hands",
        "two claims, each with a job that the other's transaction needs, would wait for each other",
        WITH_EMPTY_HANDS,
        (LIMITS, "held = _lock(connection, limits, skip=True)", "held = _lock(connection, limits, skip=False)"),
    ),
    guard(
        "full-queue-is-passed",
        "what stands behind a full queue would wait for it",
        LIMITING + "test_what_stands_behind_a_full_queue_starts_at_once",
        (CANDIDATES, "        conditions.append(is_not_full(job))\n", "        pass\n"),
    ),
    guard(
        "one-statement-locks-nothing",
        "a job that needs a book would start without it",
        f"{INTEGRATION}test_claim.py::test_a_book_job_waits_for_the_books_chunks_and_is_not_overtaken",
        (CLAIM, ".where(found.c.lock_scope.is_(None), ~found.c.has_limits)", ".where(~found.c.has_limits)"),
    ),
    guard(
        "one-statement-has-no-limit",
        "what is limited has to be counted first",
        LIMITING + "test_no_more_of_a_queue_run_than_it_may[postgresql]",
        (CLAIM, ".where(found.c.lock_scope.is_(None), ~found.c.has_limits)", ".where(found.c.lock_scope.is_(None))"),
    ),
    guard(
        "low-priorities-have-turns",
        "they would be starved for ever",
        LEVELS,
        (TURNS, "        return self._top if self._level is None else self._level\n", "        return None\n"),
    ),
    guard(
        "levels-take-turns",
        "the lowest would be starved by the lower",
        LEVELS,
        (TURNS, "self._claimed, self._level = 0, jobs[0].priority", "self._claimed, self._level = 0, None"),
    ),
    guard(
        "turns-are-one-in-twenty",
        "what is urgent comes first",
        LEVELS,
        (TURNS, "if self._claimed < EVERY - 1 or self._clock()", "if self._clock()"),
    ),
    guard(
        "turns-cost-nothing",
        "where all jobs are alike every claim would be made twice",
        AGEING + "test_where_all_are_alike_it_looks_once_a_second_and_loses_nothing",
        (TURNS, "            self._not_before = self._clock() + LOOK_AGAIN\n", "            self._claimed = 0\n"),
    ),
    guard(
        "company-ends",
        "a slot that falls free is not held back for longer than a moment",
        PACES,
        (PACE, "self._was_full and is_soon and free", "self._was_full and free"),
    ),
    guard(
        "company-needs-a-full-queue",
        "what comes to an empty queue is picked up at once",
        PACES,
        (PACE, "self._was_full and is_soon and free", "is_soon and free"),
    ),
    guard(
        "company-is-not-waited-for-by-many",
        "nor do many free slots wait",
        PACES,
        (PACE, "is_soon and free * WORTH < slots", "is_soon"),
    ),
    guard(
        "company-that-never-comes",
        "the loop would sleep on a slot that it has held back",
        GUARDS_OF_OPERATING + "test_a_slot_that_was_held_back_for_company_is_filled_though_none_comes",
        (PROCESSOR, "min(seconds, self._claims.seconds_left(), self", "min(seconds, self"),
    ),
)
