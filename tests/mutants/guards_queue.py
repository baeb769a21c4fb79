"""Guards of claim, rescue and the log: mostly words in a WHERE, each of which keeps somebody late out.

Left out, because no test can tell them apart:
- `claim_id` and `state` in `_store`'s look (telemetry/log_writer.py) and in its update of the progress: what is looked
  up is compared once more with the claim at hand, and held until the end; the comparison is in the table.
- `state = 'running'` in `_lock_jobs` alone (queue/rescue.py): `_change` asks again; both together are in the table.
- that `JobLog.count` is read after the seal (attempt.py): between the two lines only luck could put another thread.
"""

from tests.mutants.guard import INTEGRATION, Guard, guard

FENCING = f"{INTEGRATION}test_fencing.py::"
GUARDS_OF_QUEUE = f"{INTEGRATION}test_guards.py::"
GUARDS_OF_SETTLE = f"{INTEGRATION}test_guards_settle.py::"
RESCUE = f"{INTEGRATION}test_rescue.py::"

SEALS = "tests/unit/test_joblog.py"

LOCKS = "bookbot_worker/queue/locks.py"
CLAIM = "bookbot_worker/queue/claim.py"
RESCUER = "bookbot_worker/queue/rescue.py"
WRITER = "bookbot_worker/telemetry/log_writer.py"
JOBLOG = "bookbot_worker/telemetry/joblog.py"

TWO_CLAIMERS = GUARDS_OF_QUEUE + "test_of_two_claimers_of_one_book_one_gets_it_whichever_step_the_other_is_at"
STALE = GUARDS_OF_QUEUE + "test_a_rescue_writes_on_no_run_but_the_one_it_has_seen"
SKIPPED = RESCUE + "test_a_row_that_is_being_settled_is_skipped"

CLAIMING: tuple[Guard, ...] = (
    guard(
        "claim-still-waits",
        "what is started was waiting until now",
        GUARDS_OF_QUEUE + "test_only_what_still_waits_is_started",
        (CLAIM, ", JOBS.c.state == JobState.WAITING)\n", ")\n"),
    ),
    guard(
        "claim-skips-rivals",
        "claimers that look at the same job do not wait for each other",
        f"{INTEGRATION}test_claim.py::test_jobs_that_another_claimer_looks_at_are_skipped",
        (
            "bookbot_worker/queue/candidates.py",
            "        .with_for_update(of=Job, skip_locked=True)\n",
            "        .with_for_update(of=Job)\n",
        ),
    ),
    guard(
        "claim-locks-the-book",
        "between the look at the locks and writing one, nobody else may write one",
        TWO_CLAIMERS + "[one-two-write]",
        (LOCKS, "        .with_for_update(key_share=True, skip_locked=True)\n", ""),
    ),
    guard(
        "claim-skips-books-in-hand",
        "claimers do not wait for each other's books",
        f"{INTEGRATION}test_claim.py::test_books_that_another_claimer_has_in_hand_are_skipped",
        (
            LOCKS,
            "        .with_for_update(key_share=True, skip_locked=True)\n",
            "        .with_for_update(key_share=True)\n",
        ),
    ),
    guard(
        "claim-reads-after-the-lock",
        "the snapshot of the statement that takes the lock is older than the lock: a quarter of the claims overlapped",
        TWO_CLAIMERS,
        (
            LOCKS,
            "    in_hand = connection.scalars(\n",
            "    read = _read_locks(connection, sorted(books))\n    in_hand = connection.scalars(\n",
        ),
        (
            LOCKS,
            "choose(candidates, _read_locks(connection, in_hand))",
            "choose(candidates, HeldLocks(read.free_books & set(in_hand), read.locked_chunks))",
        ),
    ),
    guard(
        "claim-sees-locked-books",
        "a book that is held is not free",
        TWO_CLAIMERS,
        (
            LOCKS,
            ".where(Book.book_id.in_(books), Book.locked_by_job_id.is_(None)))",
            ".where(Book.book_id.in_(books)))",
        ),
    ),
    guard(
        "claim-sees-locked-chunks",
        "nor is a chunk, nor a book with a chunk that is held",
        TWO_CLAIMERS,
        (
            LOCKS,
            ".where(Chunk.book_id.in_(books), Chunk.locked_by_job_id.is_not(None))",
            ".where(Chunk.book_id.is_(None))",
        ),
    ),
    guard(
        "release-own-book",
        "a lock another job holds is left alone",
        FENCING + "test_a_lock_is_only_released_by_its_holder",
        (
            LOCKS,
            "of_book = Book.book_id == holder.book_id, Book.locked_by_job_id == holder.job_id",
            "of_book = (Book.book_id == holder.book_id,)",
        ),
    ),
    guard(
        "release-own-chunk",
        "the same for a chunk's",
        FENCING + "test_a_lock_is_only_released_by_its_holder",
        (
            LOCKS,
            "of_chunk = Chunk.chunk_id == holder.chunk_id, Chunk.locked_by_job_id == holder.job_id",
            "of_chunk = (Chunk.chunk_id == holder.chunk_id,)",
        ),
    ),
    guard(
        "unique-key-index",
        "with parameters in it, a plan for all values alike does not know the partial index (42P10)",
        f"{INTEGRATION}test_race_again.py::test_a_key_can_be_asked_for_any_number_of_times_on_one_connection",
        (
            "shared/enqueue.py",
            "_IS_ACTIVE = text(\"unique_key IS NOT NULL AND state IN ('waiting', 'running')\")",
            "_IS_ACTIVE = Job.unique_key.is_not(None) & Job.state.in_([JobState.WAITING, JobState.RUNNING])",
        ),
    ),
    guard(
        "sqlite-immediate",
        "a reader that becomes a writer is refused at once, whatever its patience",
        f"{INTEGRATION}test_sqlite_writers.py::test_every_transaction_that_writes_begins_as_a_writer",
        (
            "shared/database.py",
            'get_execution_options().get(SQLITE_BEGIN, "IMMEDIATE")',
            'get_execution_options().get(SQLITE_BEGIN, "DEFERRED")',
        ),
    ),
    guard(
        "sqlite-immediate-in-jobs",
        "the same for the first write of a job",
        f"{INTEGRATION}test_sqlite_writers.py::test_every_transaction_that_writes_begins_as_a_writer",
        ("bookbot_worker/golden_rule.py", 'driver.execute("BEGIN IMMEDIATE")', 'driver.execute("BEGIN DEFERRED")'),
    ),
)

RESCUING: tuple[Guard, ...] = (
    guard(
        "rescue-claim",
        "a rescuer without a fence undid a completion (river #1302)",
        STALE,
        (
            RESCUER,
            "JOBS.c.job_id == row.job_id, JOBS.c.claim_id == row.claim_id, JOBS",
            "JOBS.c.job_id == row.job_id, JOBS",
        ),
    ),
    guard(
        "rescue-state",
        "the claim stays on the row when its run has ended",
        STALE,
        (
            RESCUER,
            "JOBS.c.claim_id == row.claim_id, JOBS.c.state == JobState.RUNNING\n",
            "JOBS.c.claim_id == row.claim_id\n",
        ),
    ),
    guard(
        "rescue-state-twice",
        "a run that has ended is no orphan",
        GUARDS_OF_QUEUE + "test_a_run_that_has_ended_is_not_given_back",
        (
            RESCUER,
            "JOBS.c.claim_id == row.claim_id, JOBS.c.state == JobState.RUNNING\n",
            "JOBS.c.claim_id == row.claim_id\n",
        ),
        (RESCUER, "        .where(IS_RUNNING, *which)\n", "        .where(*which)\n"),
    ),
    guard(
        "give-back-claim",
        "the answer that told of a claim may be older than the next one",
        RESCUE + "test_a_claim_that_is_no_longer_the_job_s_gives_nothing_back",
        (RESCUER, "Job.job_id.in_(claims.values()), Job.claim_id.in_(claims))", "Job.job_id.in_(claims.values()))"),
    ),
    guard(
        "rescue-locks",
        "a row that is being settled is not an orphan",
        SKIPPED,
        (RESCUER, "        .with_for_update(skip_locked=True)\n", ""),
    ),
    guard(
        "rescue-skips-locked",
        "nor is it waited for",
        SKIPPED,
        (RESCUER, "        .with_for_update(skip_locked=True)\n", "        .with_for_update()\n"),
    ),
    guard(
        "rescue-reads-leases-again",
        "a beat may have come between the look and the lock",
        RESCUE + "test_a_beat_that_comes_after_the_look_saves_the_worker",
        (RESCUER, "alive = _with_a_lease(connection, silent)", "alive = _with_a_lease(connection, set())"),
    ),
    guard(
        "rescue-frees-locks",
        "the book of a lost run would be held for ever",
        RESCUE + "test_a_job_of_a_silent_worker_runs_again_and_its_log_says_why",
        (RESCUER, "    release_locks(connection, [_locks_of(row) for row in rescued])\n", ""),
    ),
)

LOGGING: tuple[Guard, ...] = (
    guard(
        "log-claim-and-state",
        "a late worker writes no lines into the next run, nor after the end of its own",
        FENCING + "test_a_late_worker_stores_no_lines_and_no_progress",
        (
            WRITER,
            "ours = [item for item in taken if item[0].claim_id in running]",
            "ours = [item for item in taken if running is not None]",
        ),
    ),
    guard(
        "log-state",
        "the claim stays on the row when its run has ended",
        FENCING + "test_a_late_worker_stores_no_lines_and_no_progress",
        (WRITER, "                Job.state == JobState.RUNNING,\n            )\n", "            )\n"),
    ),
    guard(
        "log-holds-the-row",
        "between a look and the insert, a rescue could end the run",
        GUARDS_OF_QUEUE + "test_a_run_is_not_ended_between_the_look_at_it_and_its_lines",
        (WRITER, "            .with_for_update(read=True)\n", ""),
    ),
    guard(
        "log-stored-once",
        "lines stored by a commit in doubt come again with the settle",
        FENCING + "test_lines_stored_by_a_commit_in_doubt_are_not_stored_twice",
        (WRITER, "[line.row() for line in lines], skips_known=True)", "[line.row() for line in lines])"),
    ),
    guard(
        "log-seal",
        "no line after the last one that was counted",
        f"{SEALS} {INTEGRATION}test_hostile_more.py::test_threads_that_go_on_logging_change_nothing_after_the_end",
        (JOBLOG, "            self._is_sealed = True\n", ""),
    ),
    guard(
        "log-seal-waits",
        "lines that are being stored come before those that are stored with the end",
        SEALS,
        (
            JOBLOG,
            "self._is_sealed = True\n            self._free.wait_for(lambda: not self._in_flight)",
            "self._is_sealed = True",
        ),
    ),
    guard(
        "log-held-on-sqlite",
        "a job that has sent a write is the writer: storing its lines would wait for itself",
        SEALS,
        (
            JOBLOG,
            "self._is_held = True\n            self._free.wait_for(lambda: not self._in_flight)",
            "self._is_held = True",
        ),
    ),
)

QUEUE = (*CLAIMING, *RESCUING, *LOGGING)
