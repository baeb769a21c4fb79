"""Guards of the golden rule: every event and every method by which a job could end its transaction.

Left out, because no test can tell them apart:
- `commit_twophase`, `rollback_twophase` and `prepare_twophase` in `rule_events._LISTENERS`: no two-phase transaction of
  a job ever begins.
- `_SqliteCursor.executemany` (driver_guard.py): sqlite3 itself refuses it for anything but INSERT, UPDATE, DELETE.
- `execute` and its kin of `_SqliteConnection`: sqlite3's own make their cursor with `self.cursor()`, which is guarded.
- that a connection forgets its rule when it goes back to the pool (driver_guard.py): the next job's takes its place.
- `_undo` (rule_events.py) and throwing the connection away (`UnitOfWork.discard`), each alone: either is enough.
"""

from tests.mutants.guard import INTEGRATION, Guard, guard

RULE = f"{INTEGRATION}test_golden_rule.py::"
MORE = f"{INTEGRATION}test_golden_rule_more.py::"
THREADS = f"{INTEGRATION}test_golden_rule_threads.py::"
OWN = f"{INTEGRATION}test_guards_rule.py::"
TRACES = f"{INTEGRATION}test_hostile_traces.py::"

EVENTS = "bookbot_worker/rule_events.py"
DRIVER = "bookbot_worker/driver_guard.py"
SESSION = "bookbot_worker/job_session.py"
UNIT = "bookbot_worker/unit_of_work.py"

ROUTES = RULE + "test_every_route_is_stopped_and_the_job_says_why"
NAMED = OWN + "test_what_a_connection_is_told_is_named_as_such"
METHODS = MORE + "test_the_sessions_own_methods_are_stopped_and_named"
NEXT = MORE + "test_what_a_rule_breaker_writes_afterwards_is_not_committed_by_the_next_job"


def listener(event: str, why: str, tests: str, line: str) -> Guard:
    """One line of `rule_events._LISTENERS`."""
    return guard(f"event-{event}", why, tests, (EVENTS, f"    {line},\n", ""))


def method(name: str, why: str, tests: str, line: str, *, after: str, before: str = "") -> Guard:
    """One call of `_forbid` or `_check` in driver_guard.py: the `line` between what makes it the only one."""
    return guard(f"driver-{name}", why, tests, (DRIVER, f"{after}{line}{before}", f"{after}pass{before}"))


LISTENERS: tuple[Guard, ...] = (
    listener(
        "begin", "a connection of the job's own is not part of its transaction", ROUTES, '(Engine, "begin", _on_begin)'
    ),
    listener(
        "begin-twophase",
        "nor is a transaction in two phases",
        THREADS + "test_a_two_phase_transaction_is_named_and_remembered",
        '(Engine, "begin_twophase", _on_begin_twophase)',
    ),
    listener(
        "commit",
        "what the driver refuses alone stays open in the pool, for the next job to commit",
        f"{NAMED} {THREADS}test_what_a_job_wrote_before_its_thread_committed_is_not_kept",
        '(Engine, "commit", _on_commit)',
    ),
    listener(
        "rollback",
        "the same for a rollback",
        NAMED,
        '(Engine, "rollback", _on_rollback)',
    ),
    listener(
        "options",
        "an isolation level that commits every statement",
        ROUTES,
        '(Engine, "set_connection_execution_options", _on_options)',
    ),
    listener(
        "statement",
        "COMMIT as text, and on SQLite the first write",
        f"{ROUTES} {INTEGRATION}test_sqlite_writers.py",
        '(Engine, "before_cursor_execute", _on_statement)',
    ),
    listener(
        "session-commit",
        "the session's own transaction, also where nothing was sent",
        OWN + "test_a_session_s_transaction_is_not_committed_even_where_nothing_was_sent",
        '(Session, "before_commit", _before_session_commit)',
    ),
    listener(
        "session-rollback",
        "what the job had added is gone, so it cannot complete",
        MORE + "test_more_routes_are_stopped_even_where_that_is_swallowed",
        '(Session, "after_soft_rollback", _after_session_rollback)',
    ),
)

CHECK = "_check(self.connection, query)"
ROLLBACK = '_forbid(self, "rollback()", by_flush=True)'
END_OF_COMMIT = f"\n        super().commit()\n\n    def rollback(self) -> None:\n        {ROLLBACK}\n"
OF_POSTGRES = "        super().rollback()\n\n    def transaction("
OF_SQLITE = "        super().rollback()\n\n    def __enter__("
BY_DRIVER = MORE + "test_more_routes_are_stopped_even_where_that_is_swallowed"

DRIVERS: tuple[Guard, ...] = (
    method(
        "postgres-execute",
        "COMMIT on a cursor of the driver's",
        ROUTES,
        CHECK,
        after="    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:\n        ",
    ),
    method(
        "postgres-executemany",
        "the same for many",
        ROUTES,
        CHECK,
        after="    def executemany(self, query: Any, *args: Any, **kwargs: Any) -> None:\n        ",
    ),
    method(
        "postgres-stream",
        "the same row by row",
        OWN + "test_more_of_psycopg_s_own_ways_are_stopped",
        CHECK,
        after="    def stream(self, query: Any, *args: Any, **kwargs: Any) -> Any:\n        ",
    ),
    method(
        "postgres-commit",
        "commit of the driver's connection",
        ROUTES,
        '_forbid(self, "commit()")',
        after="",
        before=END_OF_COMMIT + OF_POSTGRES,
    ),
    method(
        "postgres-rollback",
        "rollback of the driver's connection: what was sent is gone",
        BY_DRIVER,
        ROLLBACK,
        after="",
        before="\n" + OF_POSTGRES,
    ),
    method(
        "postgres-transaction",
        "psycopg's block, which commits",
        ROUTES,
        '_forbid(self, "transaction(), which may commit,")',
        after="",
    ),
    method(
        "postgres-autocommit", "every statement would be committed", ROUTES, '_forbid(self, "autocommit")', after=""
    ),
    method(
        "postgres-two-phases",
        "a transaction that outlives its session",
        OWN + "test_more_of_psycopg_s_own_ways_are_stopped",
        '_forbid(self, "tpc_begin()")',
        after="",
    ),
    method(
        "sqlite-execute",
        "COMMIT on a cursor of the driver's",
        ROUTES,
        "_check(self.connection, sql)",
        after="    def execute(self, sql: str, *args: Any) -> Any:\n        ",
    ),
    method(
        "sqlite-script",
        "sqlite3 commits before a script",
        MORE + "test_executescript_is_stopped",
        '_forbid(self.connection, "executescript(), which commits,")',
        after="",
    ),
    method(
        "sqlite-commit",
        "commit of the driver's connection",
        ROUTES,
        '_forbid(self, "commit()")',
        after="",
        before=END_OF_COMMIT + OF_SQLITE,
    ),
    method(
        "sqlite-rollback",
        "rollback of the driver's connection: what was sent is gone",
        BY_DRIVER,
        ROLLBACK,
        after="",
        before="\n" + OF_SQLITE,
    ),
    method(
        "sqlite-with",
        "sqlite3's block, which commits",
        ROUTES,
        '_forbid(self, "a with block, which commits,")',
        after="",
    ),
    method("sqlite-autocommit", "setting either commits", ROUTES, "_forbid(self, name)", after=""),
    guard(
        "driver-leaves-nothing",
        "a SET, a temporary table, a session's lock would be the next job's",
        TRACES + "test_the_next_job_finds_a_session_as_new",
        (DRIVER, "            record.invalidate()\n", "            pass\n"),
    ),
)

SESSIONS = tuple(
    guard(
        f"session-{name}",
        "the method job code would think of first",
        METHODS,
        (SESSION, f'self.rule.forbid("session.{name}()")', "pass"),
    )
    for name in ("commit", "rollback", "close", "reset", "invalidate", "prepare", "begin")
)

REST: tuple[Guard, ...] = (
    guard(
        "rule-remembers",
        "a job that swallows the violation still ends in error",
        ROUTES,
        (
            "bookbot_worker/golden_rule.py",
            "        self.violation = self.violation or GoldenRuleViolation(act)\n        undo()\n        raise self",
            "        undo()\n        raise GoldenRuleViolation(act) if self.violation is None else self",
        ),
    ),
    guard(
        "rule-leaves-nothing-open",
        "a transaction that was tampered with would wait in the pool, for the next job to commit",
        f"{THREADS}test_what_a_job_wrote_before_its_thread_committed_is_not_kept {NEXT}",
        (EVENTS, "        connection.connection.rollback()\n", "        pass\n"),
        (UNIT, "            if not self.rule.violation:\n", "            if self.rule is not None:\n"),
    ),
    guard(
        "rule-lost-transaction",
        "a flush that failed has ended the transaction: nothing is left to complete",
        RULE + "test_a_swallowed_integrity_error_does_not_complete_the_job",
        (
            "bookbot_worker/execution.py",
            "if rule.lost_transaction and not isinstance",
            "if rule.lost_transaction is False and not isinstance",
        ),
    ),
    guard(
        "park-keeps-writes",
        "giving the connection back would lose what was sent",
        f"{INTEGRATION}test_park.py",
        (
            UNIT,
            "if session.in_nested_transaction() or self._has_sent_writes(session):",
            "if session.in_nested_transaction():",
        ),
    ),
)

RULE_GUARDS = (*LISTENERS, *DRIVERS, *SESSIONS, *REST)
