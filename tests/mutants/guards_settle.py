"""Guards of settle and cancel: who comes late changes nothing, and a cancelled job never runs again."""

from tests.mutants.guard import INTEGRATION, Guard, guard

FENCING = f"{INTEGRATION}test_fencing.py::"
GUARDS_OF_QUEUE = f"{INTEGRATION}test_guards.py::"
GUARDS_OF_SETTLE = f"{INTEGRATION}test_guards_settle.py::"
RESCUE = f"{INTEGRATION}test_rescue.py::"


STATES = "bookbot_worker/queue/final_state.py"
UNIT = "bookbot_worker/unit_of_work.py"
RULE = "bookbot_worker/golden_rule.py"
SETTLE = "bookbot_worker/queue/settle.py"
GROUP = "bookbot_worker/queue/group.py"

IN_A_GROUP = FENCING + "test_settling_a_lost_claim_in_a_group_changes_nothing"
WITH_WRITES = FENCING + "test_settling_a_lost_claim_with_writes_changes_nothing"
ANYTHING = "(JOBS.c.job_id == JOBS.c.job_id)"
LOST_IN_GROUP = GUARDS_OF_SETTLE + "test_of_a_lost_claim_in_a_group_nothing_is_written"

SETTLING: tuple[Guard, ...] = (
    guard(
        "settle-group-claim",
        "a late worker's plain completions must not end the run that came after",
        IN_A_GROUP,
        (
            STATES,
            'is_one_of(JOBS.c.claim_id, "claims", dialect),',
            f'is_one_of(JOBS.c.claim_id, "claims", dialect) | {ANYTHING},',
        ),
    ),
    guard(
        "settle-group-state",
        "a run that is not running any more has been ended or taken away",
        IN_A_GROUP,
        (
            STATES,
            "            JOBS.c.state == JobState.RUNNING,\n        )\n        .values(_new_state(Completed)",
            "        )\n        .values(_new_state(Completed)",
        ),
    ),
    guard(
        "settle-one-claim",
        "the same for everything but plain completions, and for those with writes",
        f"{IN_A_GROUP} {WITH_WRITES}",
        (STATES, 'JOBS.c.claim_id == bindparam("claim"),', f'(JOBS.c.claim_id == bindparam("claim")) | {ANYTHING},'),
    ),
    guard(
        "settle-one-state",
        "the same for the state",
        f"{IN_A_GROUP} {WITH_WRITES}",
        (
            STATES,
            "            JOBS.c.state == JobState.RUNNING,\n            is_uncancelled,",
            "            is_uncancelled,",
        ),
    ),
    guard(
        "settle-writes-need-the-claim",
        "what a job wrote goes down with its claim",
        WITH_WRITES,
        (
            SETTLE,
            "if not _write(connection, [settlement], flush=unit.flush):",
            "if _write(connection, [settlement], flush=unit.flush) is None:",
        ),
    ),
    guard(
        "settle-row-first",
        "in any other order settle and rescue deadlock",
        GUARDS_OF_SETTLE + "test_the_jobs_row_is_locked_before_anything_the_job_has_written",
        (
            SETTLE,
            '    reach("settle.begin")\n',
            '    reach("settle.begin")\n    if flush is not None:\n        flush()\n',
        ),
    ),
    guard(
        "settle-rows-in-order",
        "a group and a cancelled family lock their rows in one order",
        FENCING + "test_a_group_locks_its_rows_in_the_order_of_whoever_cancels_a_family",
        (STATES, "    if is_postgresql(connection) and not are_alike:\n        _lock(connection, settlements)\n", ""),
    ),
    guard(
        "settle-key-lock",
        "a new job that depends on one which is just failing would wait for ever",
        f"{INTEGRATION}test_enqueue.py::test_a_job_that_needs_one_which_is_just_ending_is_never_forgotten",
        (STATES, "with_for_update(key_share=not is_loss)", "with_for_update(key_share=True)"),
    ),
    guard(
        "settle-lost-in-group-locks",
        "a lost claim frees no lock of the run that came after",
        FENCING + "test_a_lost_claim_in_a_group_frees_no_lock_of_the_run_that_came_after",
        (SETTLE, "[settlement.holder for settlement in ours if", "[settlement.holder for settlement in settlements if"),
    ),
    guard(
        "settle-lost-in-group-lines",
        "nor leaves lines",
        LOST_IN_GROUP,
        (SETTLE, "[line for settlement in ours for line in", "[line for settlement in settlements for line in"),
    ),
    guard(
        "settle-lost-in-group-waits",
        "nor waits for others",
        LOST_IN_GROUP,
        (SETTLE, "_await_others(connection, ours)", "_await_others(connection, settlements)"),
    ),
    guard(
        "settle-lost-in-group-dependents",
        "nor calls off those that wait for it",
        LOST_IN_GROUP,
        (SETTLE, "[item.job_id for item in ours if isinstance", "[item.job_id for item in settlements if isinstance"),
    ),
    guard(
        "settle-group-confirms",
        "a commit whose answer was lost has happened all the same, and is no lost claim",
        GUARDS_OF_SETTLE + "test_a_settle_that_had_been_committed_before_is_recognised_by_its_claim",
        (GROUP, "group.confirmed.update(_settled_before(engine, missing))", "_settled_before(engine, missing)"),
    ),
    guard(
        "settle-group-confirms-its-own",
        "the end of the next run is not the end of this one",
        GUARDS_OF_SETTLE + "test_a_settle_that_had_been_committed_before_is_recognised_by_its_claim",
        (GROUP, "        Job.claim_id.in_([item.claim_id for item in settlements]),\n", ""),
    ),
    guard(
        "settle-group-one-by-one",
        "one that cannot be stored does not hold up the rest",
        f"{INTEGRATION}test_hostile_sessions.py::test_one_job_that_cannot_be_stored_does_not_hold_up_its_group",
        (GROUP, "        _one_by_one(engine, settlements, group)\n    if", "        raise\n    if"),
    ),
    guard(
        "cancel-stops-a-retry",
        "a job that goes back to waiting after it was cancelled would run again",
        FENCING + "test_a_cancel_loses_against_an_end_and_wins_against_another_run",
        (STATES, "asked_to_stop = JOBS.c.cancel_requested_at.is_not(None)", "asked_to_stop = JOBS.c.job_id.is_(None)"),
    ),
    guard(
        "cancel-stops-children",
        "what a cancelled job is about to start is never born",
        FENCING + "test_what_a_cancelled_job_started_is_never_born",
        (STATES, "JOBS.c.cancel_requested_at.is_(None) if is_with_writes and kind is Postponed else true()", "true()"),
    ),
    guard(
        "cancel-family-in-order",
        "a cancelled family and a group that is settled lock their rows in one order",
        f"{INTEGRATION}test_race_cancel.py::test_a_family_is_locked_in_the_order_of_a_group_that_is_settled",
        (
            "shared/control.py",
            ".where(Job.job_id.in_(missing)).order_by(Job.job_id)",
            ".where(Job.job_id.in_(missing)).order_by(Job.job_id.desc())",
        ),
    ),
    guard(
        "settle-asks-what-was-written",
        "a statement may have gone past the session: the job would complete without what it wrote",
        f"{INTEGRATION}test_only_reading.py::test_what_was_written_past_the_session_is_committed_with_the_job",
        (UNIT, "            if self._has_sent_writes(session):\n", "            if False:\n"),
    ),
    guard(
        "reading-ends-by-commit-only-if-known",
        "what went to the driver past us may be a notice, which a COMMIT would send",
        f"{INTEGRATION}test_only_reading.py::test_a_notice_sent_past_us_is_never_heard",
        (UNIT, "            if is_all_known:\n", "            if True:\n"),
    ),
    guard(
        "reading-stays-prepared",
        "at a ROLLBACK the driver forgets what it has prepared, and the server plans it anew for every job",
        f"{INTEGRATION}test_only_reading.py::test_what_jobs_have_only_read_stays_prepared_for_the_next",
        (UNIT, "            session.connection().connection.commit()\n", "            session.connection()\n"),
    ),
    guard(
        "claim-compiles-nothing",
        "a plan that is compiled at every claim takes 76 ms beside a million finished jobs",
        f"{INTEGRATION}test_pooler.py::test_a_claim_through_a_pooler_has_no_plan_compiled",
        ("bookbot_worker/queue/claim.py", "        compile_nothing(connection)\n", ""),
    ),
    guard(
        "only-plain-queries-are-grouped",
        "a query may have called a function that notifies, or locked a row, which leaves no trace that could be asked for",
        f"{INTEGRATION}test_only_reading.py::test_what_counts_as_work",
        (
            RULE,
            "len(self.reads) <= READS_KEPT and all(map(is_plain_query, self.reads))",
            "len(self.reads) <= READS_KEPT",
        ),
    ),
    guard(
        "queries-that-were-not-kept",
        "of very many queries not all are remembered",
        f"{INTEGRATION}test_guards_operating.py::test_a_job_that_notified_somebody_has_work_after_however_many_queries",
        (RULE, "len(self.reads) <= READS_KEPT and all(map", "all(map"),
    ),
    guard(
        "sqlite-counts-changes",
        "to begin again as a writer drops what was written past the session",
        f"{INTEGRATION}test_only_reading.py::test_what_was_written_past_the_session_is_committed_with_the_job",
        (RULE, '"sqlite" and self._changes_before in (None, _changes(connection)):', '"sqlite":'),
    ),
)
