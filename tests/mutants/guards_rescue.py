"""Guards of what follows a death: whose sessions are ended, and who is taken for the cause."""

from tests.mutants.guard import INTEGRATION, Guard, guard

CLAIM = f"{INTEGRATION}test_claim.py::"
RESCUE = f"{INTEGRATION}test_rescue.py::"

CANDIDATES = "bookbot_worker/queue/candidates.py"
SESSIONS = "bookbot_worker/queue/sessions.py"
WORKERS = "bookbot_worker/queue/workers.py"

ENDING_SESSIONS: tuple[Guard, ...] = (
    guard(
        "grace-of-sessions",
        "a worker that could not beat either may be settling in the session that is idle",
        f"{INTEGRATION}test_guards.py::test_after_an_outage_no_session_is_ended_for_a_whole_lease",
        (
            "bookbot_worker/maintenance/rescuer.py",
            "        if self._has_seen_others_beat():\n",
            "        if self._engine is not None:\n",
        ),
    ),
    guard(
        "sessions-of-the-dead",
        "a machine that loses its power says no farewell: the server keeps the locks of its transaction for hours",
        RESCUE + "test_a_transaction_that_a_dead_worker_left_open_is_ended_and_holds_up_no_rescue",
        (
            "bookbot_worker/maintenance/rescuer.py",
            "        if ended := end_sessions(",
            "        if ended := 0 and end_sessions(",
        ),
    ),
    guard(
        "sessions-idle-for-long",
        "who holds one in which something has just happened may be alive, or have it from a pooler",
        RESCUE + "test_a_transaction_in_which_something_has_just_happened_is_not_ended",
        (SESSIONS, " AND state_change < clock_timestamp() - make_interval(secs => :seconds)", " AND :seconds > 0"),
    ),
    guard(
        "sessions-of-no-other",
        "the living keep transactions open too",
        RESCUE + "test_a_transaction_that_a_dead_worker_left_open_is_ended_and_holds_up_no_rescue",
        (SESSIONS, "application_name = ANY(:names)", "application_name <> ALL(ARRAY['x'] || (:names)[1:0])"),
    ),
    guard(
        "silent-not-stopped",
        "who has stopped has said farewell to the server too",
        RESCUE + "test_silent_is_who_has_not_stopped_and_does_not_beat",
        (
            WORKERS,
            'and_(worker.state != "stopped", worker.lease_until < db_now())',
            "and_(worker.lease_until < db_now())",
        ),
    ),
    guard(
        "beat-sees-the-silent",
        "one that stands still while it claims runs nothing, and keeps rows",
        f"{INTEGRATION}test_heartbeat.py::test_the_answer_says_whether_another_worker_may_be_dead",
        (
            WORKERS,
            "or_(runs, select(1).where(other.worker_id != worker_id, _is_silent(other)).exists())",
            "or_(runs, runs)",
        ),
    ),
    guard(
        "silent-not-living",
        "who beats is alive",
        RESCUE + "test_silent_is_who_has_not_stopped_and_does_not_beat",
        (WORKERS, 'and_(worker.state != "stopped", worker.lease_until < db_now())', 'and_(worker.state != "stopped")'),
    ),
)

FINDING_THE_CAUSE: tuple[Guard, ...] = (
    guard(
        "one-suspect",
        "claimed together they die together, and the third death convicts the innocent",
        CLAIM + "test_one_suspect_at_a_time_and_the_others_as_ever",
        (
            CANDIDATES,
            "        (and_(Job.losses >= SUSPECT_AFTER, ~_is_the_one_suspect(claimant)), false()),\n",
            "",
        ),
    ),
    guard(
        "no-second-suspect",
        "a suspect that runs must not be joined by another",
        CLAIM + "test_one_suspect_at_a_time_and_the_others_as_ever",
        (CANDIDATES, 'bindparam("runs_a_suspect", type_=Boolean) == false(), Job', "Job"),
    ),
    guard(
        "suspect-that-can-start",
        "one behind a locked book would hold all other suspects up",
        CLAIM + "test_a_suspect_that_cannot_start_holds_no_other_up",
        (CANDIDATES, "is_claimable(suspect, claimant), ~_is_locked(suspect))", "is_claimable(suspect, claimant))"),
    ),
    guard(
        "suspect-that-is-due",
        "one that is put off would hold all other suspects up",
        CLAIM + "test_a_suspect_that_cannot_start_holds_no_other_up",
        (CANDIDATES, "is_claimable(suspect, claimant), ~_is_locked(suspect))", "~_is_locked(suspect))"),
    ),
)

DYING_TOGETHER: tuple[Guard, ...] = ENDING_SESSIONS + FINDING_THE_CAUSE
