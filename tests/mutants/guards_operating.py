"""Guards of what people ask for: cancels, retries, pauses, pruning, schedules, the web's rights, moving data.

Left out, because no test can tell them apart:
- that ticks of one schedule are locked (`tick`, shared/schedules.py): each is marked once all the same;
- that only a loop which turns feeds the watchdog: there is no line to take away, it has no thread of its own.
"""

from tests.mutants.guard import INTEGRATION, Guard, guard

REQUESTING = f"{INTEGRATION}test_requests.py::"
PRUNING_TESTS = f"{INTEGRATION}test_pruning.py::"
GUARDS_OF_OPERATING = f"{INTEGRATION}test_guards_operating.py::"
WEB_ROLE = f"{INTEGRATION}test_web_role.py::"
MOVING_TESTS = "tests/acceptance/test_cli_moving.py::"
NOTICES = "tests/unit/test_systemd_notices.py"
ASKED = "tests/faults/test_worker_requests.py::test_a_worker_pauses_goes_on_and_drains_when_it_is_asked"

CANDIDATES = "bookbot_worker/queue/candidates.py"
REQUESTS = "bookbot_worker/queue/requests.py"
PROCESSOR = "bookbot_worker/processor.py"
PRUNING = "shared/pruning.py"
GRANTS = "shared/grants.py"
COPYING = "bookbot_worker/moving/copying.py"
BOOK_FILE = "bookbot_worker/moving/book_file.py"
BOOK_ROWS = "bookbot_worker/moving/book_rows.py"
SYSTEMD = "bookbot_worker/telemetry/systemd.py"

STILL_NEEDED = PRUNING_TESTS + "test_what_an_active_job_still_needs_stays"
SPOILED = MOVING_TESTS + "test_a_spoiled_file_is_one_clear_line_and_changes_nothing"

ASKING: tuple[Guard, ...] = (
    guard(
        "asked-to-cancel-is-not-claimed",
        "it would cost money until a worker has called it off",
        REQUESTING + "test_a_request_to_cancel_changes_nothing_but_its_column_and_the_job_is_not_claimed",
        (CANDIDATES, "        job.cancel_requested_at.is_(None),\n", ""),
    ),
    guard(
        "request-carried-out-once",
        "a job that has been run again, and has failed again, is not run a third time",
        REQUESTING + "test_a_request_that_another_worker_has_carried_out_is_not_carried_out_again",
        (REQUESTS, ".where(Job.job_id == job_id, IS_ASKED)", ".where(Job.job_id == job_id)"),
    ),
    guard(
        "request-too-late-is-forgotten",
        "one that cannot be carried out would be tried for ever",
        REQUESTING + "test_a_retry_whose_key_another_job_holds_is_refused_when_asked_and_forgotten_when_too_late",
        (REQUESTS, "            session.execute(forgotten.values(retry_requested_at=None, retry_fresh=False))\n", ""),
    ),
    guard(
        "request-children-first",
        "parents that run again start others in their place",
        REQUESTING + "test_children_run_again_before_their_parents_which_would_start_others_in_their_place",
        (REQUESTS, ".order_by(Job.job_id.desc())", ".order_by(Job.job_id)"),
    ),
    guard(
        "request-fresh-stays-fresh",
        "who asks again without the word would be given the old answers",
        REQUESTING + "test_a_retry_is_carried_out_as_it_was_asked_for",
        ("shared/requests.py", "true() if fresh else Job.retry_fresh", "fresh"),
    ),
    guard(
        "request-heard-by-the-beat",
        "hints get lost",
        GUARDS_OF_OPERATING + "test_a_worker_that_hears_no_hint_carries_requests_out_at_its_next_beat",
        (PROCESSOR, "        if beat.has_requests:\n", "        if False:\n"),
    ),
    guard(
        "request-heard-by-the-hint",
        "a beat may be seconds away",
        REQUESTING + "test_a_worker_carries_requests_out_at_the_databases_hint",
        (
            PROCESSOR,
            "            self._looks_for_cancels.hint()\n            self.parts.requests.look()\n",
            "            self._looks_for_cancels.hint()\n",
        ),
    ),
    guard(
        "worker-heeds-pause",
        "somebody wants to look at what it does",
        ASKED,
        (
            "bookbot_worker/condition.py",
            '            self.wants_pause = requested == "paused"\n',
            "            pass\n",
        ),
    ),
    guard(
        "worker-heeds-drain",
        "SIGTERM from afar",
        ASKED,
        (PROCESSOR, "if self.condition.heeds_request(beat.requested_state) and not", "if beat.has_requests and not"),
    ),
    guard(
        "draining-is-for-good",
        "a worker that was asked to drain, and then to go on, would do neither",
        GUARDS_OF_OPERATING + "test_a_worker_that_was_asked_to_drain_hears_nothing_else",
        (
            "shared/worker_requests.py",
            '(Worker.worker_id.in_(live), Worker.requested_state.is_distinct_from("draining"))',
            "(Worker.worker_id.in_(live),)",
        ),
    ),
    guard(
        "tick-once",
        "of twelve workers one makes the job",
        f"{INTEGRATION}test_schedules.py::test_a_tick_that_was_dealt_with_is_not_dealt_with_again",
        (
            "shared/schedules.py",
            "mark.on_conflict_do_nothing().returning(ScheduleTick.name)).one_or_none() is None:\n        return []",
            "mark.on_conflict_do_nothing().returning(ScheduleTick.name)).one_or_none() is None:\n        pass",
        ),
    ),
    guard(
        "leaving-is-not-ready",
        "a worker that is told to go before it was ready would let a restart of all go on",
        NOTICES,
        (SYSTEMD, "not self._is_ready and not condition.is_draining and", "not self._is_ready and"),
    ),
    guard(
        "watchdog-in-time",
        "a loop that sleeps for longer than the watchdog has patience would be killed asleep",
        NOTICES,
        (SYSTEMD, "min(LONGEST_SLEEP, watchdog / 3)", "LONGEST_SLEEP"),
    ),
    guard(
        "watchdog-of-this-process",
        "one that is set for another process is none of ours",
        NOTICES,
        (SYSTEMD, " or (pid and pid != str(os.getpid())):", ":"),
    ),
    guard(
        "children-do-not-notify",
        "what a job starts would speak for the worker",
        NOTICES,
        (SYSTEMD, 'os.environ.pop("NOTIFY_SOCKET", "")', 'os.environ.get("NOTIFY_SOCKET", "")'),
    ),
    guard(
        "status-is-one-line",
        "an error's text could say READY=1",
        NOTICES,
        (SYSTEMD, '" ".join(visible(words).split())[:LONGEST_STATUS]', "words[:LONGEST_STATUS]"),
    ),
)

KEEPING: tuple[Guard, ...] = (
    guard(
        "prune-keeps-parents",
        "an active job's parent is looked at when it ends",
        STILL_NEEDED,
        (
            PRUNING,
            "(*is_ended, ~has_active_child, ~has_active_parent, ~is_waited_for)",
            "(*is_ended, ~has_active_parent, ~is_waited_for)",
        ),
    ),
    guard(
        "prune-keeps-children",
        "an active parent reads what its children made",
        STILL_NEEDED,
        (
            PRUNING,
            "(*is_ended, ~has_active_child, ~has_active_parent, ~is_waited_for)",
            "(*is_ended, ~has_active_child, ~is_waited_for)",
        ),
    ),
    guard(
        "prune-keeps-needs",
        "a job that waits for one which is gone would start without it",
        STILL_NEEDED,
        (
            PRUNING,
            "(*is_ended, ~has_active_child, ~has_active_parent, ~is_waited_for)",
            "(*is_ended, ~has_active_child, ~has_active_parent)",
        ),
    ),
    guard(
        "prune-keeps-costs",
        "what was paid stays paid",
        PRUNING_TESTS + "test_old_jobs_go_with_their_logs_and_texts_but_not_with_their_costs",
        (
            PRUNING,
            "update(LlmCall).where(LlmCall.job_id.in_(ids)).values(request={}, response=None)",
            "delete(LlmCall).where(LlmCall.job_id.in_(ids))",
        ),
    ),
    guard(
        "prune-leaves-what-is-held",
        "somebody may be about to retry it",
        GUARDS_OF_OPERATING + "test_a_job_in_another_s_hands_is_not_pruned_nor_waited_for",
        (PRUNING, "oldest.with_for_update(of=Job.__table__, skip_locked=True)", "oldest"),
    ),
    guard(
        "prune-keeps-workers-with-jobs",
        "their jobs are to be rescued",
        PRUNING_TESTS + "test_ended_workers_and_old_ticks_go_too",
        (PRUNING, "delete(Worker).where(is_over, ~holds_jobs)", "delete(Worker).where(is_over)"),
    ),
    guard(
        "web-writes-its-columns-only",
        "a web that is broken into could forge the end of a job",
        WEB_ROLE + "test_the_server_refuses_the_web_what_only_workers_do",
        (GRANTS, "GRANT UPDATE ({', '.join(ASKS_BY)}) ON jobs", "GRANT UPDATE ON jobs"),
    ),
    guard(
        "web-is-granted-anew",
        "what somebody granted by hand would stay",
        WEB_ROLE + "test_granting_again_takes_away_what_was_granted_by_hand",
        (GRANTS, "        f\"REVOKE ALL ON {', '.join(tables)} FROM {name};\",\n", ""),
    ),
    guard(
        "copy-into-nothing",
        "two databases would be mixed",
        MOVING_TESTS + "test_nothing_is_copied_where_a_worker_works_or_the_target_is_not_empty",
        (COPYING, "    _refuse_rows(target)\n", ""),
    ),
    guard(
        "copy-of-what-rests",
        "a job that ran in both would ask, and pay, twice",
        MOVING_TESTS + "test_nothing_is_copied_where_a_worker_works_or_the_target_is_not_empty",
        (COPYING, "    _refuse_work_in_progress(source)\n", ""),
    ),
    guard(
        "copy-counts",
        "a row that is lost on the way would be missed when the source is gone",
        GUARDS_OF_OPERATING + "test_a_copy_that_lost_a_row_on_the_way_is_given_up",
        (
            COPYING,
            "        if (found := _count(target, table)) != counts[table.name]:\n",
            "        found = 0\n        if False:\n",
        ),
    ),
    guard(
        "restore-what-was-saved",
        "a file that was damaged, or changed, would become a book",
        SPOILED,
        (BOOK_ROWS, " or hashlib.sha256(content).hexdigest() != line.sha256:", ":"),
    ),
    guard(
        "restore-no-twins",
        "a chunk has one latest version, which every query counts on",
        SPOILED,
        (BOOK_FILE, "    _refuse_twins(chunks)\n", ""),
    ),
    guard(
        "restore-no-later-format",
        "what this version does not know would be lost without a word",
        SPOILED,
        (BOOK_FILE, "        if book.format > FORMAT:\n", "        if False:\n"),
    ),
    guard(
        "restore-beside",
        "a book that is here is never touched",
        MOVING_TESTS + "test_a_book_comes_back_whole_from_its_file",
        (BOOK_FILE, "        if session.get(Book, book_id) is not None:\n", "        if session is None:\n"),
    ),
    guard(
        "restore-no-locks",
        "they belong to jobs that stayed behind",
        SPOILED,
        (BOOK_ROWS, 'ConfigDict(extra="forbid", strict=True)', 'ConfigDict(extra="ignore", strict=True)'),
    ),
)

OPERATING = (*ASKING, *KEEPING)
