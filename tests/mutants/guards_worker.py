"""Guards of what a worker may believe: about itself, about others, and about what it has asked the database."""

from tests.mutants.guard import INTEGRATION, Guard, guard

WORKER_GUARDS = f"{INTEGRATION}test_guards_worker.py::"
RESCUE = f"{INTEGRATION}test_rescue.py::"
HEARTBEAT = f"{INTEGRATION}test_heartbeat.py::"
OUTAGE = f"{INTEGRATION}test_settling_outage.py::"
ORPHANS = "tests/unit/test_orphans.py"
LEASES = "tests/unit/test_lease.py"
IDENTITIES = "tests/unit/test_process_identity.py"
NOTICES = "tests/unit/test_systemd_notices.py"
CONNECTIONS = f"{INTEGRATION}test_lost_connections.py::"

ORPHAN = "bookbot_worker/orphans.py"
LEASE = "bookbot_worker/lease.py"
HEART = "bookbot_worker/maintenance/heartbeat.py"
PROCESSOR = "bookbot_worker/processor.py"
AT_WORK = "bookbot_worker/at_work.py"
UNIT = "bookbot_worker/unit_of_work.py"
RULE = "bookbot_worker/golden_rule.py"
IDENTITY = "bookbot_worker/process_identity.py"
SYSTEMD = "bookbot_worker/telemetry/systemd.py"

BEATING: tuple[Guard, ...] = (
    guard(
        "ready-when-it-can-work",
        "a worker that cannot claim would replace one that can, in a restart of all",
        NOTICES,
        (SYSTEMD, "not condition.is_draining and condition.trouble() is None", "not condition.is_draining"),
    ),
    guard(
        "asks-for-time-while-it-drains",
        "systemd would kill it at TimeoutStopSec, with jobs that could have ended",
        NOTICES,
        (SYSTEMD, "        if condition.is_draining:\n", "        if begins_to_stop:\n"),
    ),
    guard(
        "grace-after-outage",
        "the first one back would rescue everybody's jobs (solid_queue #761, airflow #7925)",
        f"{ORPHANS} {RESCUE}test_after_an_outage_nobody_is_given_up_for_a_whole_lease",
        (ORPHAN, "(sign is Sign.SILENT and has_seen_others_beat)", "sign is Sign.SILENT"),
    ),
    guard(
        "grace-is-a-whole-lease",
        "the others need that long to say that they live",
        f"{LEASES} {RESCUE}test_after_an_outage_nobody_is_given_up_for_a_whole_lease",
        (LEASE, "self.clock() - since >= self.seconds", "self.clock() - since >= 0"),
    ),
    guard(
        "grace-of-the-server",
        "a server that has just started has heard nobody yet",
        RESCUE + "test_after_an_outage_nobody_is_given_up_for_a_whole_lease",
        (
            "bookbot_worker/maintenance/rescuer.py",
            "self._lease.has_seen_others_beat and (up is None or up >= self._lease.seconds)",
            "self._lease.has_seen_others_beat",
        ),
    ),
    guard(
        "grace-needs-own-beats",
        "who slept has heard nobody either",
        LEASES,
        (LEASE, "since is not None and self.is_trusted and self", "since is not None and self"),
    ),
    guard(
        "missed-resets-the-grace",
        "after a beat that failed, the silence of others means nothing for a while",
        LEASES,
        (
            LEASE,
            '        """A beat has failed."""\n        self._unbroken_since = None',
            '        """A beat has failed."""',
        ),
    ),
    guard(
        "gap-resets-the-grace",
        "the same after a long pause between two beats",
        LEASES,
        (LEASE, "sent_at - (self._sent_at or sent_at) > self.seconds / 2", "self.seconds < 0"),
    ),
    guard(
        "failed-beat-is-missed",
        "the lease learns of it",
        WORKER_GUARDS + "test_after_a_beat_that_failed_the_silence_of_others_means_nothing_for_a_whole_lease",
        (HEART, "        self._lease.missed()\n", ""),
    ),
    guard(
        "stuck-loop-stops-beating",
        "a worker that settles nothing must not keep its jobs",
        HEARTBEAT + "test_a_worker_whose_loop_is_stuck_stops_beating",
        (HEART, "        if self._condition.is_stuck:\n", "        if self._condition.is_stuck is None:\n"),
    ),
    guard(
        "beat-does-not-deny-itself",
        "a worker that has just started would be shown as troubled, and counted as such, until its second beat",
        HEARTBEAT + "test_the_first_beat_does_not_say_that_none_has_come",
        (HEART, "condition.trouble_to_tell())", "condition.trouble())"),
    ),
    guard(
        "figures-of-one-moment",
        "a job claimed between two of the questions would be counted twice",
        f"{INTEGRATION}test_metrics.py::test_the_figures_of_the_database_are_those_of_one_moment",
        ("bookbot_worker/telemetry/database_figures.py", '{"isolation_level": "REPEATABLE READ"}', "{}"),
    ),
    guard(
        "beat-counts-from-when-it-was-sent",
        "the database may have counted from earlier than its answer arrived",
        HEARTBEAT + "test_a_worker_whose_loop_is_stuck_stops_beating " + LEASES,
        (LEASE, "        self._sent_at = sent_at\n", "        self._sent_at = self.clock()\n"),
    ),
    guard(
        "no-claim-without-a-lease",
        "who cannot beat may have been given up, and must take no more jobs",
        HEARTBEAT + "test_a_worker_that_cannot_beat_claims_nothing_until_it_can",
        (PROCESSOR, " or self.condition.is_paused or not self.lease.is_trusted:", " or self.condition.is_paused:"),
    ),
    guard(
        "no-spending-without-a-lease",
        "nor begin a call that costs money",
        WORKER_GUARDS + "test_no_call_that_costs_money_begins_before_the_worker_is_sure_of_its_lease",
        ("bookbot_worker/llm/ledger.py", "            self._life.before_spending()\n", ""),
    ),
    guard(
        "lost-claim-stops",
        "a job that was lost to another worker must stop spending",
        HEARTBEAT + "test_a_job_that_was_lost_to_another_worker_stops_spending",
        (AT_WORK, "            elif attempt.opened_at < sent_at:\n", "            elif attempt.opened_at is None:\n"),
    ),
    guard(
        "new-claim-is-not-lost",
        "a beat knows nothing of jobs claimed after it was sent",
        WORKER_GUARDS + "test_a_job_that_was_claimed_while_the_beat_was_under_way_is_not_taken_for_lost",
        (AT_WORK, "            elif attempt.opened_at < sent_at:\n", "            else:\n"),
    ),
    guard(
        "ending-is-not-lost",
        "nor of those whose end it was told of first",
        WORKER_GUARDS + "test_a_job_that_is_being_settled_is_not_taken_for_lost",
        (AT_WORK, "elif claim_id in beat.claims or attempt.is_ending or", "elif claim_id in beat.claims or"),
    ),
    guard(
        "claim-in-doubt",
        "jobs whose claim was committed and its answer lost would run for ever, and nobody run them",
        HEARTBEAT + "test_jobs_claimed_by_a_commit_whose_answer_was_lost_are_run_after_all",
        (
            PROCESSOR,
            "if unknown and (returned := give_back_unknown(self.parts.engine, unknown)):",
            "if returned := 0 * len(unknown):",
        ),
    ),
    guard(
        "schema-handshake",
        "a worker that is too old for the schema must leave",
        HEARTBEAT + "test_a_worker_that_is_too_old_for_the_schema_finishes_and_ends_with_78",
        (PROCESSOR, "if schema.is_outdated(beat.oldest_worker):", "if beat.oldest_worker is None:"),
    ),
    guard(
        "schema-is-outdated",
        "and one that starts must not begin",
        f"{INTEGRATION}test_schema.py::test_a_newer_schema_that_asks_for_newer_workers_is_refused",
        ("shared/schema.py", "return oldest_worker is not None and oldest_worker > head()", "return False"),
    ),
)

DYING: tuple[Guard, ...] = (
    guard(
        "process-start",
        "pids are used again",
        IDENTITIES,
        (IDENTITY, 'state in _GONE or started != identity_then.rpartition(" ")[2]', "state in _GONE"),
    ),
    guard(
        "process-zombie",
        "a process that has ended may wait for its parent for long",
        IDENTITIES,
        (IDENTITY, "state in _GONE or started !=", "started !="),
    ),
    guard(
        "process-namespace",
        "a pid of another machine or container says nothing about one of ours",
        f"{IDENTITIES} {RESCUE}test_a_process_of_the_same_number_elsewhere_is_nobody_s_business",
        (IDENTITY, ' or ours.rpartition(" ")[0] != identity_then.rpartition(" ")[0]:', ":"),
    ),
    guard(
        "losses-limit",
        "a poison pill would kill every worker it meets (sidekiq #4633)",
        f"{ORPHANS} {RESCUE}test_a_job_that_loses_its_worker_three_times_is_given_up_with_what_waited_for_it",
        (ORPHAN, "if losses >= LOSSES_LIMIT else", "if losses < 0 else"),
    ),
    guard(
        "losses-forgiven",
        "an hour-long job that makes progress survives any number of restarts",
        f"{ORPHANS} {RESCUE}test_a_run_that_had_paid_for_an_answer_made_progress",
        (ORPHAN, "losses = 0 if made_progress else losses + 1", "losses = losses + 1"),
    ),
    guard(
        "cancelled-orphan",
        "a cancelled job never runs again, not even after a loss",
        f"{ORPHANS} {RESCUE}test_a_lost_job_that_was_cancelled_is_cancelled",
        (ORPHAN, "    if is_cancelled:\n        return Fate.CANCEL, losses\n", ""),
    ),
    guard(
        "interruptions-limit",
        "a job that deadlocks every time would run for ever",
        f"tests/unit/test_retry.py {OUTAGE}test_a_job_that_always_conflicts_ends_with_the_reason",
        ("bookbot_worker/retry.py", "if interruptions + 1 >= INTERRUPTIONS_LIMIT:", "if interruptions < 0:"),
    ),
    guard(
        "outcomes-are-kept",
        "what has finished while the database is away is settled when it is back",
        CONNECTIONS + "test_an_outage_of_the_server_ends_no_worker_and_no_job",
        (AT_WORK, "            self._finished.extendleft(reversed(unsettled))\n", ""),
    ),
    guard(
        "outcomes-with-writes-are-kept",
        "a job whose writes are all in memory has done its work, and need not do it again",
        OUTAGE + "test_a_job_that_ends_while_the_database_is_away_keeps_its_outcome",
        (
            "bookbot_worker/settling.py",
            "            if not attempt.unit.reopen():\n",
            "            if attempt.unit is not None:\n",
        ),
    ),
    guard(
        "reopen-has-flushed",
        "a session that has flushed cannot do it again: settled anew, the job would complete without its writes",
        WORKER_GUARDS + "test_a_job_whose_flush_went_down_with_its_connection_is_not_settled_without_it",
        (
            UNIT,
            "if self.has_flushed or self._may_have_sent_writes or session is None:",
            "if self._may_have_sent_writes or session is None:",
        ),
    ),
    guard(
        "reopen-has-sent",
        "writes sent before went down with the connection",
        OUTAGE + "test_a_job_whose_transaction_was_lost_runs_again_at_no_cost",
        (
            UNIT,
            "if self.has_flushed or self._may_have_sent_writes or session is None:",
            "if self.has_flushed or session is None:",
        ),
    ),
    guard(
        "reopen-locked-rows",
        "rows that were locked may have been changed since",
        OUTAGE + "test_a_job_whose_transaction_was_lost_runs_again_at_no_cost",
        (RULE, "return not _ROW_LOCK.search(statement) and all", "return all"),
    ),
)

WORKER = (*BEATING, *DYING)
