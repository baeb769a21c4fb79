"""Jobs at work while something happens to their database, and what may become of them; ways to wait for the rest."""

import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import psycopg

from shared.models import Job
from tests.faults.database import Database
from tests.support.durable import DurableServer
from tests.support.fleet import Fleet
from tests.support.running import eventually


@dataclass(frozen=True)
class AtWork:
    """Jobs that run until `go`, each with something else in the database.

    `kept`: nothing, it is parked, and its writes are in memory. `quiet`: nothing, and it will write nothing. `reading`:
    a transaction that has only read. `sent`: a transaction with its effects in it.
    """

    database: Database
    kept: str
    quiet: str
    reading: str
    sent: str

    @classmethod
    def begin(cls, database: Database) -> "AtWork":
        """Enqueue them and wait until all of them hold what they hold."""
        query = "SELECT job_id FROM jobs LIMIT 1"
        jobs = cls(
            database,
            kept=database.add("effect", {"until": "go"}),
            quiet=database.add("quiet", {"until": "go", "m": 0}),
            reading=database.add("sends_sql", {"until": "go", "sql": [query]}),
            sent=database.add("writes_early", {"until": "go"}),
        )
        wait_until_they_wait(database, jobs.ids)
        return jobs

    @property
    def ids(self) -> list[str]:
        """All of them."""
        return [self.kept, self.quiet, self.reading, self.sent]

    def go(self) -> None:
        """Let them end."""
        self.database.witness.add("go")

    def rows(self) -> dict[str, Job]:
        """By what they hold."""
        return {name: self.database.row(getattr(self, name)) for name in ("kept", "quiet", "reading", "sent")}

    def check_after_loss_of_connections(self) -> None:
        """Only what had sent writes was lost and ran again; what the others had done counts."""
        found = {name: (job.state, job.attempt, job.interruptions, job.losses) for name, job in self.rows().items()}
        kept = ("completed", 1, 0, 0)
        assert found == {"kept": kept, "quiet": kept, "reading": kept, "sent": ("completed", 2, 1, 0)}
        assert [self.database.starts(job_id) for job_id in self.ids] == [1, 1, 1, 2]

    def check_untouched(self) -> None:
        """Nobody has noticed anything."""
        assert {(job.state, job.attempt, job.interruptions) for job in self.rows().values()} == {("completed", 1, 0)}
        assert {self.database.starts(job_id) for job_id in self.ids} == {1}


def wait_until_they_wait(database: Database, job_ids: Iterable[str]) -> None:
    """Until these jobs have done what they do first, and wait for the word they are to wait for."""
    for job_id in job_ids:
        eventually(lambda job_id=job_id: database.witness.count("waits", job_id))


def in_transaction(database: Database, query: str) -> list[int]:
    """The pids of workers' sessions that are idle in a transaction whose last statement is LIKE this."""
    sessions = """SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE %s
                  AND application_name LIKE 'bookbot-worker:%%' AND state LIKE 'idle in transaction%%'"""
    url = database.settings.database_url.get_secret_value()
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        return [int(pid) for (pid,) in connection.execute(sessions, [query])]


def seconds_until_it_works(database: Database) -> float:
    """From now until a job that is new has been done."""
    started = time.monotonic()
    database.wait_until_ended([database.add("effect")])
    return time.monotonic() - started


def never(condition: Callable[[], Any], seconds: float) -> None:
    """Look for a while. Fails as soon as the condition is true."""
    until = time.monotonic() + seconds

    def is_over() -> bool:
        assert not condition()
        return time.monotonic() > until

    eventually(is_over, seconds + 20)


def answers(server: DurableServer) -> bool:
    """Whether it lets somebody in."""
    with contextlib.suppress(psycopg.OperationalError):
        return bool(server.execute("SELECT 1"))
    return False


def rescued(fleet: Fleet) -> list[Any]:
    """What any worker has rescued."""
    return [event for worker in fleet.workers for event in worker.events("job.rescued")]


def readiness(port: int) -> tuple[int, dict[str, Any]]:
    """What the worker's health page says: its status, and its words."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
