"""Rules of the house that no linter knows: one place sleeps, few places commit, few places catch everything.

Each rule has its list of places that are allowed to, with the reason. A place that no longer needs its permission
must be taken off the list.
"""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bookbot_worker.golden_rule import transaction_command
from tests.support.docs import ROOT

pytestmark = pytest.mark.unit

PACKAGES = ("shared", "bookbot_worker", "bookbot_web")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}

ENDS_TRANSACTIONS = {
    "bookbot_worker/queue/claim.py": "running is committed before the job starts",
    "bookbot_worker/queue/settle.py": "the one final transaction of a job",
    "bookbot_worker/queue/workers.py": "the worker's own row",
    "bookbot_worker/queue/requests.py": "what the web asked for, a job at a time",
    "bookbot_worker/queue/rescue.py": "jobs of dead workers, a batch at a time",
    "bookbot_worker/maintenance/scheduler.py": "a tick and its job, once",
    "bookbot_worker/llm/ledger_rows.py": "what was paid for is kept, whatever becomes of the job",
    "bookbot_worker/telemetry/log_writer.py": "lines become visible while the job runs",
    "bookbot_worker/unit_of_work.py": "what a job has only read, so that its statements stay prepared",
    "bookbot_worker/golden_rule.py": "on SQLite it makes a reader's transaction a writer's",
    "bookbot_worker/job_session.py": "guards these methods",
    "bookbot_worker/rule_events.py": "undoes what a connection holds whose transaction was tampered with",
    "bookbot_worker/driver_guard.py": "guards these methods on the driver's connection",
    "bookbot_worker/cuttable_sqlite.py": "the same methods, one thread at a time",
    "bookbot_worker/cli/database.py": "the one writing session of a command",
    "bookbot_worker/testing/performing.py": "the rows a test begins with",
    "bookbot_web/database.py": "the one writing session of a request",
    "shared/database.py": "enqueue and control for callers that bring no session",
    "shared/schema.py": "the migration's one transaction",
}

SLEEPS_ON_AN_EVENT = {
    "bookbot_worker/cli/demo_book.py": "a person looks at the board; there is nothing to be woken by",
    "bookbot_worker/cli/follow.py": "the same for `logs -f` and `watch`",
    "bookbot_worker/llm/offline/author.py": "the speed of the offline author, which looks for a cancel between pieces",
}

CATCHES_EVERYTHING = {
    "bookbot_worker/execution.py:execute": "whatever job code raises becomes an outcome",
    "bookbot_worker/failure_text.py:describe": "an exception's own __str__ is job code",
    "bookbot_worker/failure_text.py:format_trace": "a traceback can be tampered with",
    "bookbot_worker/failure_text.py:readable": "a return value's __repr__ is job code",
    "bookbot_worker/in_background.py:_run_in_thread": "kept for whoever started the thread",
    "bookbot_worker/processor.py:_or_fault": "a fault of the engine must not cost the slot",
    "bookbot_worker/settling.py:settle_with_writes": "whatever the job's writes make a flush raise",
    "bookbot_worker/llm/ledger.py:_ask": "the call's entry says how it ended; raised again",
    "bookbot_worker/llm/ledger.py:_place": "looked at and raised again",
    "bookbot_worker/llm/prices.py:_listed": "a fault of a price table must not cost an answer",
    "bookbot_worker/maintenance/service.py:_run": "one bad turn must not end a service",
    "bookbot_worker/cancellation.py:closing": "looked at and raised again",
    "bookbot_worker/telemetry/health.py:readiness": "a broken worker still answers, with the kind of its fault",
    "bookbot_worker/telemetry/health.py:page": "the same",
    "bookbot_worker/cancellation.py:_close": "what a job gave to be closed is job code",
    "bookbot_worker/severing.py:cut_off": "a connection in use by another thread can be in any state",
    "bookbot_worker/telemetry/joblog.py:json_copy": "what a job logs may be its own subclass of dict",
    "bookbot_worker/telemetry/tracing.py:complete": "looked at and raised again",
    "bookbot_worker/telemetry/log_writer.py:_run": "a service's thread: settle stores the lines all the same",
    "bookbot_worker/unit_of_work.py:discard": "the transaction is being thrown away",
    "bookbot_worker/job_session.py:flush": "looked at and raised again",
    "bookbot_worker/daemon.py:_register": "code of the user's, raised again as ConfigurationError",
    "shared/job_types.py:import_setting": "importing a module of the user's, raised again as ConfigurationError",
    "bookbot_worker/change_hints.py:changed": "psycopg's many ways to say that a connection is gone",
    "bookbot_worker/books/library.py:_is_a_template": "raised again as pydantic's ValueError, whatever the template is",
    "bookbot_web/live/tail.py:_run": "a thread's boundary: one bad look must not end the tail, which says so",
    "bookbot_worker/cli/boundary.py:main": "a command leaves with one line and a code",
}

MANY_LINES = 250

REGISTRIES = ("py" + "pi.org", "python" + "hosted.org", "npm" + "js.", "crates" + ".io", "ruby" + "gems.org")
NOT_OURS = (*REGISTRIES, "proxy.go" + "lang.org", "hub.dock" + "er.com", "/wo" + "rk/")


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def called(call: ast.Call) -> str:
    """The last name of what is called: `session.commit()` → "commit"."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def ends_transaction(call: ast.Call) -> bool:
    """`.commit()`, `.rollback()`, `.begin()`, or a statement that is one of these."""
    if isinstance(call.func, ast.Attribute) and call.func.attr in {"commit", "rollback", "begin"}:
        return True
    if called(call) not in {"execute", "exec_driver_sql", "executescript", "text"}:
        return False
    words = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    return any(isinstance(word, str) and transaction_command(word) for word in words)


def test_transactions_end_only_where_the_house_says() -> None:
    found = {name for name, tree in TREES.items() if any(ends_transaction(call) for call in calls(tree))}
    assert found == set(ENDS_TRANSACTIONS)


def test_nothing_calls_sleep() -> None:
    """The wait is in wakeup.py, on descriptors, so that a signal or a notice ends it."""
    sleepers = [name for name, tree in TREES.items() if any(called(call) == "sleep" for call in calls(tree))]
    assert sleepers == []


def test_waiting_on_an_event_nobody_sets_is_a_sleep_too() -> None:
    def is_sleep(call: ast.Call) -> bool:
        target = call.func.value if isinstance(call.func, ast.Attribute) else None
        return called(call) == "wait" and isinstance(target, ast.Call) and called(target) == "Event"

    found = {name for name, tree in TREES.items() if any(is_sleep(call) for call in calls(tree))}
    assert found == set(SLEEPS_ON_AN_EVENT)


def everything_caught(tree: ast.AST, function: str = "") -> Iterator[str]:
    """The functions that catch every exception, by `except` or by `contextlib.suppress`."""
    for node in ast.iter_child_nodes(tree):
        inside = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        if isinstance(node, ast.ExceptHandler) and (node.type is None or names_everything(node.type)):
            yield inside
        if isinstance(node, ast.Call) and called(node) == "suppress" and any(map(names_everything, node.args)):
            yield inside
        yield from everything_caught(node, inside)


def names_everything(node: ast.expr) -> bool:
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    return any(isinstance(part, ast.Name) and part.id in {"Exception", "BaseException"} for part in parts)


def test_everything_is_caught_only_at_named_boundaries() -> None:
    found = {f"{name}:{function}" for name, tree in TREES.items() for function in everything_caught(tree)}
    assert found == set(CATCHES_EVERYTHING)


def test_no_module_holds_two_things() -> None:
    """More than 250 lines is two things in one file. A migration tells one long story and is exempt."""
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    long = {name for name, count in lengths.items() if count > MANY_LINES and "/migrations/" not in name}
    assert long == set()


def test_every_module_says_what_it_is() -> None:
    assert [name for name, tree in TREES.items() if not ast.get_docstring(tree)] == []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout: nobody knows which files are tracked")
def test_tracked_files_name_no_registry_and_no_path_of_one_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in paths
        if path.is_file()
        for word in NOT_OURS
        if word in path.read_text(encoding="utf-8", errors="replace")
    ]
    assert found == []


def test_the_lists_of_exceptions_name_files_that_exist() -> None:
    listed = [*ENDS_TRANSACTIONS, *SLEEPS_ON_AN_EVENT, *(place.partition(":")[0] for place in CATCHES_EVERYTHING)]
    assert [name for name in listed if not Path(ROOT / name).is_file()] == []


def test_the_names_of_events_are_those_of_the_table() -> None:
    """One table of event names, in telemetry/logging.py: what is logged is in it, and what is in it is logged."""
    levels = {"debug", "info", "warning", "error"}
    used = {
        call.args[0].value
        for name, tree in TREES.items()
        if name.startswith("bookbot_worker/")
        for call in calls(tree)
        if called(call) in levels and call.args and isinstance(call.args[0], ast.Constant)
    }
    table = ast.get_docstring(TREES["bookbot_worker/telemetry/logging.py"]) or ""
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ") and "." in line.split("|")[1]]
    assert used == {name.strip() for row in rows for name in row.split("/")}
