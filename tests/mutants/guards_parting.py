"""Guards of threads that do not stop, of copies, and of connections that are of no use any more.

Left out, because no test can tell them apart:
- the check of the fence in `JobSession.get_bind` (job_session.py): `Rule.takes` refuses a moment later all the same;
  the connection that is lost then comes back when it is collected.
- the checks of the fence in `rule_events` and in `driver_guard`, each alone: a statement passes both. Together they are
  in the table.
"""

from tests.mutants.guard import INTEGRATION, Guard, guard

WORKER_GUARDS = f"{INTEGRATION}test_guards_worker.py::"
DEADLINES = f"{INTEGRATION}test_deadlines.py::"
CONNECTIONS = f"{INTEGRATION}test_lost_connections.py::"

AT_WORK = "bookbot_worker/at_work.py"
ATTEMPT = "bookbot_worker/attempt.py"
UNIT = "bookbot_worker/unit_of_work.py"
RULE = "bookbot_worker/golden_rule.py"

PARTING: tuple[Guard, ...] = (
    guard(
        "one-takes-the-end",
        "the thread and who parts with it would both settle the job",
        DEADLINES + "test_a_thread_that_does_not_stop_is_parted_with_and_the_rest_goes_on",
        (ATTEMPT, "return self._end.acquire(blocking=False)", "return self._end.acquire(blocking=False) or True"),
    ),
    guard(
        "fence-cuts",
        "what a lost thread has sent keeps its rows, and on SQLite the file",
        DEADLINES + "test_a_thread_that_does_not_stop_is_parted_with_and_the_rest_goes_on",
        (RULE, "self._severed = cut_off(held)", "self._severed = None"),
    ),
    guard(
        "fence-at-deadline",
        "a thread that was parted with reaches the database no more",
        DEADLINES + "test_a_thread_that_does_not_stop_is_parted_with_and_the_rest_goes_on",
        (AT_WORK, "        attempt.fence()\n        self._leaked", "        self._leaked"),
    ),
    guard(
        "fence-at-the-end",
        "what has been sent would keep its rows locked against the worker that gives the job back",
        DEADLINES + "test_at_the_end_of_the_drain_a_hung_thread_s_job_goes_back_and_holds_nothing",
        (AT_WORK, "            attempt.fence()  # else", "            pass  # else"),
    ),
    guard(
        "fence-is-told",
        "by an exception that `except Exception` lets pass, not by one that reads like an outage",
        WORKER_GUARDS + "test_a_thread_that_was_parted_with_is_told_so_by_what_it_asks_next",
        ("bookbot_worker/rule_events.py", "    if rule.is_fenced:\n", "    if rule.is_fenced is None:\n"),
        (
            "bookbot_worker/driver_guard.py",
            "    if connection.rule.is_fenced and not",
            "    if connection.rule.is_fenced is None and not",
        ),
    ),
    guard(
        "threads-after-the-end",
        "a thread that outlives its job would hold a connection for ever, and on SQLite the file",
        f"{INTEGRATION}test_hostile_traces.py::test_a_thread_that_outlives_its_job_gets_no_connection",
        (UNIT, "        self.rule.expire()", "        pass"),
    ),
    guard(
        "engine-may-still-roll-back",
        "a savepoint that an attempt has left open is rolled back by a statement: refused, it would end the slot's thread",
        f"{INTEGRATION}test_hostile_sessions.py::test_a_savepoint_left_open_by_an_exception_leaves_nothing",
        ("bookbot_worker/driver_guard.py", "is_fenced and not connection.rule.is_lifted:", "is_fenced:"),
        ("bookbot_worker/job_session.py", "is_fenced and not self.rule.is_lifted:", "is_fenced:"),
    ),
    guard(
        "lost-slots-recycle",
        "a worker whose slots are lost must make room for a new process",
        DEADLINES + "test_when_half_the_slots_are_lost_the_worker_drains_and_asks_for_a_new_process",
        ("bookbot_worker/overdue.py", "return leaked > 0 and 2 * leaked >= slots", "return False"),
    ),
    guard(
        "forked-copy-leaves",
        "what the copy sends goes over its parent's connections",
        "tests/faults/test_harmful_jobs.py::test_the_copy_of_a_worker_that_a_job_forked_does_not_run_on",
        ("bookbot_worker/execution.py", "    if own_pid() != attempt.pid:\n", "    if own_pid() < 0:\n"),
    ),
    guard(
        "io-deadline",
        "of a frozen server the kernel goes on acknowledging: only the client can give up",
        f"{INTEGRATION}test_io_deadline.py::test_a_call_that_is_never_answered_fails_in_time_and_says_why",
        ("shared/io_deadline.py", "watcher.call_begins(line, self.io_limit)", "watcher.call_begins(line, 1e6)"),
    ),
    guard(
        "read-only-refused",
        "a standby takes no writes: of several hosts the other one is wanted",
        CONNECTIONS + "test_a_server_that_takes_no_writes_is_refused",
        ("shared/database.py", '"target_session_attrs": "read-write",', '"target_session_attrs": "any",'),
    ),
    guard(
        "read-only-left",
        "a server that becomes a standby keeps its connections",
        CONNECTIONS + "test_when_the_server_stops_taking_writes_every_connection_to_it_is_given_up",
        ("shared/database.py", "        context.is_disconnect = True\n", "        pass\n"),
    ),
    guard(
        "dead-in-the-pool",
        "a connection that the server closed while it lay idle costs no job",
        CONNECTIONS + "test_connections_that_died_in_the_pool_are_replaced_before_a_job_gets_them",
        ("shared/database.py", '    event.listen(engine, "checkout", _refuse_if_closed)\n', ""),
    ),
)
