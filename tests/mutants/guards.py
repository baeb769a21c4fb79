"""The guards of the engine, each with the change that takes it away and the test that must notice.

Left out, because no test can tell: `state = 'running'` beside `claim_id` in settle. A claim is only ever one of a running
job, but for a settle that is repeated after its own commit, and then it is the guard: that one is listed. SKIP LOCKED in
rescue changes how long a rescuer waits, not what it decides.
"""

from dataclasses import dataclass

I = "tests/integration/"
W = "bookbot_worker/"


@dataclass(frozen=True)
class Guard:
    """`old` stands once in `file`; with `new` in its place, `test` (arguments of pytest) must fail."""

    name: str
    file: str
    old: str
    new: str
    test: str


GUARDS = (
    # Fencing by the claim
    Guard("claim_id in settling a group", W + "queue/final_state.py",
          '            is_one_of(JOBS.c.claim_id, "claims", dialect),\n', "",
          I + "test_fencing.py -k in_a_group_changes_nothing"),
    Guard("claim_id in settling one", W + "queue/final_state.py",
          '            JOBS.c.claim_id == bindparam("claim"),\n', '            bindparam("claim").is_not(None),\n',
          I + "test_fencing.py -k with_writes_changes_nothing"),
    Guard("state = running in settling one", W + "queue/final_state.py",
          "            JOBS.c.state == JobState.RUNNING,\n            is_uncancelled,\n", "            is_uncancelled,\n",
          I + "test_fencing.py -k changes_nothing"),
    Guard("claim_id in the insert of lines", W + "telemetry/log_writer.py",
          "    ours = [item for item in taken if item[0].claim_id in running]\n", "    ours = list(taken) if running else []\n",
          I + "test_fencing.py::test_a_late_worker_stores_no_lines_and_no_progress"),
    Guard("state = running in the insert of lines", W + "telemetry/log_writer.py",
          "                Job.state == JobState.RUNNING,\n            )\n            .order_by", "            )\n            .order_by",
          I + "test_fencing.py::test_a_late_worker_stores_no_lines_and_no_progress"),
    Guard("rows held while lines are stored", W + "telemetry/log_writer.py", "            .with_for_update(read=True)\n", "",
          I + "test_guards.py::test_a_run_is_not_ended_between_the_look_at_it_and_its_lines"),
    Guard("holder in the release of a book", W + "queue/locks.py",
          "Book.book_id == holder.book_id, Book.locked_by_job_id == holder.job_id", "(Book.book_id == holder.book_id,)",
          I + "test_fencing.py::test_a_lock_is_only_released_by_its_holder"),
    Guard("holder in the release of a chunk", W + "queue/locks.py",
          "Chunk.chunk_id == holder.chunk_id, Chunk.locked_by_job_id == holder.job_id",
          "(Chunk.chunk_id == holder.chunk_id,)",
          I + "test_fencing.py::test_a_lock_is_only_released_by_its_holder"),
    Guard("only what was settled is written", W + "queue/settle.py",
          "    ours = [settlement for settlement in settlements if settlement.job_id in settled]\n",
          "    ours = list(settlements)\n",
          I + "test_guards_settle.py::test_of_a_lost_claim_in_a_group_nothing_is_written"),
    Guard("the job's row first", W + "queue/settle.py",
          "    reach(\"settle.begin\")\n    settled =", "    if flush is not None:\n        flush()\n    settled =",
          I + "test_guards_settle.py::test_the_jobs_row_is_locked_before_anything_the_job_has_written"),
    Guard("rows of a group in one order", W + "queue/final_state.py", ".order_by(JOBS.c.job_id).with_for_update(",
          ".order_by(JOBS.c.job_id.desc()).with_for_update(",
          I + "test_fencing.py::test_a_group_locks_its_rows_in_the_order_of_whoever_cancels_a_family"),
    # Claim
    Guard("state = waiting in claim", W + "queue/claim.py", ", JOBS.c.state == JobState.WAITING)", ")",
          I + "test_guards.py::test_only_what_still_waits_is_started"),
    Guard("locks read after the rows are held", W + "queue/locks.py", "    winners = choose(candidates, _read_locks(connection, in_hand))\n",
          "    winners = choose(candidates, HeldLocks(frozenset(in_hand)))\n",
          I + "test_guards.py -k of_two_claimers"),
    Guard("the self-fence of the claim", W + "processor.py", " or not self.lease.is_trusted:", ":",
          I + "test_heartbeat.py::test_a_worker_that_cannot_beat_claims_nothing_until_it_can"),
    Guard("claims in doubt are given back", W + "at_work.py",
          "        return {claim: job for claim, job in beat.claims.items() if claim not in self._running}\n",
          "        return {}\n",
          I + "test_heartbeat.py::test_jobs_claimed_by_a_commit_whose_answer_was_lost_are_run_after_all"),
    Guard("claim_id of a claim in doubt", W + "queue/rescue.py", ", Job.claim_id.in_(claims))", ")",
          I + "test_rescue.py::test_a_claim_that_is_no_longer_the_job_s_gives_nothing_back"),
    # Rescue
    Guard("claim_id in rescue", W + "queue/rescue.py", "JOBS.c.claim_id == row.claim_id, ", "",
          I + "test_guards.py::test_a_rescue_writes_on_no_run_but_the_one_it_has_seen"),
    Guard("state = running in rescue", W + "queue/rescue.py", "JOBS.c.claim_id == row.claim_id, JOBS.c.state == JobState.RUNNING\n",
          "JOBS.c.claim_id == row.claim_id\n",
          I + "test_guards.py::test_a_rescue_writes_on_no_run_but_the_one_it_has_seen"),
    Guard("the lease is read once more", W + "queue/rescue.py", "    if not worker_ids:\n        return set()\n",
          "    return set()\n",
          I + "test_rescue.py::test_a_beat_that_comes_after_the_look_saves_the_worker"),
    Guard("the grace after an outage", W + "orphans.py", "(sign is Sign.SILENT and has_seen_others_beat)",
          "sign is Sign.SILENT",
          I + "test_rescue.py::test_after_an_outage_nobody_is_given_up_for_a_whole_lease"),
    Guard("the grace of a server that has just started", W + "maintenance/rescuer.py",
          " and (up is None or up >= self._lease.seconds)", "",
          I + "test_rescue.py::test_after_an_outage_nobody_is_given_up_for_a_whole_lease"),
    Guard("a missed beat begins the grace anew", W + "lease.py",
          '        """A beat has failed."""\n        self._unbroken_since = None\n', '        """A beat has failed."""\n',
          "tests/unit/test_lease.py"),
    Guard("a stuck loop stops the beats", W + "maintenance/heartbeat.py",
          "            self._missed(\"the loop is stuck\")\n            return\n", "            pass\n",
          I + "test_heartbeat.py::test_a_worker_whose_loop_is_stuck_stops_beating"),
    Guard("another boot or namespace is elsewhere", W + "process_identity.py",
          ' or ours.rpartition(" ")[0] != identity_then.rpartition(" ")[0]:', ":",
          "tests/unit/test_process_identity.py"),
    Guard("a pid that is used again", W + "process_identity.py", " or started != identity_then.rpartition(\" \")[2]", "",
          "tests/unit/test_process_identity.py"),
    Guard("the limit of losses", W + "orphans.py", "LOSSES_LIMIT = 2\n", "LOSSES_LIMIT = 3\n",
          I + "test_rescue.py::test_a_job_that_loses_its_worker_twice_is_given_up_with_what_waited_for_it"),
    Guard("progress sets the losses back", W + "orphans.py", "0 if made_progress else losses + 1", "losses + 1",
          I + "test_rescue.py::test_a_run_that_had_paid_for_an_answer_made_progress"),
    Guard("a cancelled job is not rescued", W + "orphans.py", "    if is_cancelled:\n", "    if False:\n",
          I + "test_rescue.py::test_a_lost_job_that_was_cancelled_is_cancelled"),
    Guard("sessions of the dead are ended", W + "maintenance/rescuer.py", "        if ended := end_sessions(",
          "        if ended := 0 and end_sessions(",
          I + "test_rescue.py -k left_open"),
    # In doubt and in outages
    Guard("a commit that had come through is recognised", W + "queue/group.py",
          "        Job.claim_id.in_([item.claim_id for item in settlements]),\n", "",
          I + "test_guards_settle.py::test_a_settle_that_had_been_committed_before_is_recognised_by_its_claim"),
    Guard("writes that were sent are not settled again", W + "unit_of_work.py", "self.has_flushed or self._may_have_sent_writes or ",
          "", I + "test_settling_outage.py -k runs_again_at_no_cost"),
    Guard("outcomes are kept through an outage", W + "settling.py", "            if not attempt.unit.reopen():\n", "            if True:\n",
          I + "test_settling_outage.py -k keeps_its_outcome"),
    Guard("finished attempts are kept through an outage", W + "at_work.py",
          "            self._finished.extendleft(reversed(unsettled))\n", "",
          I + "test_lost_connections.py::test_an_outage_of_the_server_ends_no_worker_and_no_job"),
    Guard("the limit of interruptions", W + "retry.py", "INTERRUPTIONS_LIMIT = 5\n", "INTERRUPTIONS_LIMIT = 50\n",
          "tests/unit/test_retry.py"),
    Guard("every call has an end", "shared/io_deadline.py", "    def shut(self) -> None:\n", "    def shut(self) -> None:\n        return\n\n    def _shut(self) -> None:\n",
          I + "test_io_deadline.py::test_only_lines_of_calls_that_are_due_are_shut"),
    Guard("a standby is refused", "shared/database.py", '        "target_session_attrs": "read-write",\n', "",
          I + "test_lost_connections.py::test_a_server_that_takes_no_writes_is_refused"),
    # Time limits, cancel, fencing out
    Guard("a lost job stops spending", W + "at_work.py", "                self._ask(attempt, StopReason.LOST)\n", "",
          I + "test_heartbeat.py::test_a_job_that_was_lost_to_another_worker_stops_spending"),
    Guard("one end for each attempt", W + "attempt.py", "        return self._end.acquire(blocking=False)\n",
          "        self._end.acquire(blocking=False)\n        return True\n",
          I + "test_deadlines.py -k does_not_stop_is_parted_with"),
    Guard("the connection of a lost thread is cut", W + "golden_rule.py", "                self._severed = cut_off(held)\n", "                pass\n",
          I + "test_deadlines.py -k more_threads_can_hang"),
    Guard("a cancelled job never waits again", W + "queue/final_state.py",
          "case((asked_to_stop, JobState.CANCELLED), else_=JobState.WAITING)", "JobState.WAITING",
          I + "test_fencing.py -k wins_against_another_run"),
    Guard("no children of a cancelled job", W + "queue/final_state.py", " if is_with_writes and kind is Postponed else true()",
          " if False else true()",
          I + "test_fencing.py::test_what_a_cancelled_job_started_is_never_born"),
    Guard("too old for the schema", "shared/schema.py", "oldest_worker is not None and oldest_worker > head()", "False",
          I + "test_heartbeat.py -k too_old " + I + "test_schema.py -k newer"),
    # The golden rule, listener by listener
    Guard("rule: begin", W + "rule_events.py", '    (Engine, "begin", _on_begin),\n', "", I + "test_golden_rule.py -k 'second_session or enqueue_without'"),
    Guard("rule: commit", W + "rule_events.py", '    (Engine, "commit", _on_commit),\n', "", I + "test_golden_rule.py -k connection_transaction_commit"),
    Guard("rule: rollback", W + "rule_events.py", '    (Engine, "rollback", _on_rollback),\n', "", I + "test_golden_rule.py -k connection_rollback"),
    Guard("rule: options", W + "rule_events.py", '    (Engine, "set_connection_execution_options", _on_options),\n', "", I + "test_golden_rule.py -k autocommit"),
    Guard("rule: statements", W + "rule_events.py", '    (Engine, "before_cursor_execute", _on_statement),\n', "", I + "test_golden_rule.py -k 'text_commit or hidden_text'"),
    Guard("rule: session commit", W + "rule_events.py", '    (Session, "before_commit", _before_session_commit),\n', "", I + "test_golden_rule.py -k session_transaction_commit"),
    Guard("rule: session rollback", W + "rule_events.py", '    (Session, "after_soft_rollback", _after_session_rollback),\n', "",
          I + "test_golden_rule.py -k session_transaction_rollback"),
    Guard("rule: two-phase", W + "rule_events.py", '    (Engine, "begin_twophase", _on_begin_twophase),\n', "",
          I + "test_golden_rule_threads.py -k two_phase"),
    Guard("rule: the driver's commit", W + "driver_guard.py", '    if rule is not None and not (by_flush and rule.flushing):\n', "    if False:\n",
          I + "test_golden_rule.py -k driver"),
    Guard("rule: it is remembered when swallowed", W + "execution.py", "    if rule.violation is not None:\n", "    if False:\n",
          I + "test_golden_rule.py -k swallowed"),
)  # fmt: skip
