"""Real worker processes for the tests of faults, with short timings: started, watched, hurt, and surely ended."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.settings import Settings
from tests.support.docs import ROOT
from tests.support.processes import kill_group, spawn, state_of, thread_ids, tracer_of
from tests.support.running import eventually

JOBS = "tests.faults.jobs"

TIMINGS = {
    "BOOKBOT_HEARTBEAT_SECONDS": "0.3",
    "BOOKBOT_LEASE_SECONDS": "2",
    "BOOKBOT_RESCUE_SECONDS": "0.3",
    "BOOKBOT_STOP_GRACE_SECONDS": "1",
    "BOOKBOT_POLL_SECONDS": "0.2",
    "BOOKBOT_LOG_FLUSH_SECONDS": "0.05",
    "BOOKBOT_DATABASE_TIMEOUT_SECONDS": "3",
}

Event = dict[str, Any]


class Worker:
    """One `bookbot-worker run`, and what it has logged."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.pid = process.pid
        self.log = log
        self.tracers: list[subprocess.Popen[bytes]] = []

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended; it may be frozen."""
        return self.process.poll() is None

    @property
    def is_frozen(self) -> bool:
        """Whether it is stopped, by `freeze` or by a failpoint."""
        return state_of(self.pid) in ("T", "t")

    def events(self, name: str | None = None, **fields: Any) -> list[Event]:
        """What it has logged so far, or the events of this name with these fields."""
        found = [_parse(line) for line in self.log.read_text(errors="replace").splitlines()]
        wanted = fields if name is None else fields | {"event": name}
        return [event for event in found if event and all(event.get(key) == value for key, value in wanted.items())]

    def wait_for_event(self, name: str, seconds: float = 20.0, **fields: Any) -> Event:
        """The first such event. Fails, with the log's end, after `seconds` or when the process has ended without it."""

        def seen() -> Event | None:
            has_ended = not self.is_alive
            if found := self.events(name, **fields):
                return found[0]
            assert not has_ended, f"the worker ended ({self.process.returncode}) without {name}:\n{self.tail()}"
            return None

        found: Event = eventually(seen, seconds)
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def freeze(self) -> None:
        """SIGSTOP, and wait until all its threads stand still."""
        self.signal(signal.SIGSTOP)
        self.wait_until_frozen()

    def wait_until_frozen(self, seconds: float = 20.0) -> None:
        """Until it is stopped, for instance by the failpoint it was started with."""
        eventually(lambda: self.is_frozen, seconds)

    def cont(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def kill(self) -> int:
        """SIGKILL; returns the exit code once it is gone."""
        self.process.kill()
        return self.exit_code()

    def threads(self) -> set[int]:
        """Its threads as the system numbers them; the slots are those that a first job adds."""
        return thread_ids(self.pid)

    def trace(self, injection: str, threads: Collection[int]) -> None:
        """Have strace inject a fault into these threads, each of which counts its calls from now on.

        "sendto:signal=KILL:when=3": when one of them sends its third message.
        """
        attached = [part for thread in sorted(threads) for part in ("-p", str(thread))]
        output = self.log.with_suffix(".strace")
        command = [*strace_command(output, injection), *attached]
        self.tracers.append(spawn(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        eventually(lambda: all(tracer_of(thread) for thread in threads))

    def exit_code(self, seconds: float = 20.0) -> int:
        """Wait until it ends; negative: the signal that ended it."""
        return self.process.wait(seconds)

    def tail(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Fleet:
    """The workers of one test. `close` kills all that are left, and what they have forked."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.workers: list[Worker] = []
        self._settings = settings
        self._folder = folder

    def start(
        self,
        *options: str,
        settings: Settings | None = None,
        env: Mapping[str, str] | None = None,
        failpoint: str | None = None,
        strace: str | None = None,
        under: Sequence[str] = (),
    ) -> Worker:
        """Start one; `options` are those of `bookbot-worker run`.

        `settings`: its database, if it is not the fleet's. `env` is set last. `failpoint`: "settle.flushed:kill".
        `strace`: an injection, "sendto:signal=KILL:when=7"; every thread counts its own calls, from the first on, so
        the main thread always comes first (for the others see `Worker.trace`). `under`: a command that becomes the
        worker, like ("prlimit", "--nofile=64").
        """
        number = len(self.workers) + 1
        environment = {
            **os.environ,
            **TIMINGS,
            "BOOKBOT_JOB_TYPES": JOBS,
            "BOOKBOT_JOBS": JOBS,
            "BOOKBOT_LOG_FORMAT": "json",
            "BOOKBOT_WORKER_NAME": f"worker{number}",
            "DATABASE_URL": (settings or self._settings).database_url.get_secret_value(),
            **({"BOOKBOT_TEST_FAILPOINT": failpoint} if failpoint else {}),
            **(env or {}),
        }
        log = self._folder / f"worker{number}.log"
        tracing = strace_command(log.with_suffix(".strace"), strace, "-D", "-f") if strace else ()
        command = [*under, *tracing, sys.executable, "-m", "bookbot_worker", "run", *options]
        with log.open("wb") as target:
            process = spawn(command, env=environment, cwd=ROOT, stdout=target, stderr=target)
        self.workers.append(Worker(process, log))
        return self.workers[-1]

    def start_many(self, count: int, *options: str, **values: Any) -> list[Worker]:
        """Start some, and wait until all of them work."""
        started = [self.start(*options, **values) for _ in range(count)]
        for worker in started:
            worker.wait_for_event("worker.started")
        return started

    def close(self) -> None:
        """End every process."""
        for worker in self.workers:
            for process in (worker.process, *worker.tracers):
                kill_group(process)

    def tails(self) -> str:
        """The ends of all logs, for the report of a test that failed."""
        return "\n\n".join(f"{worker.log.name}, pid {worker.pid}:\n{worker.tail()}" for worker in self.workers)


def strace_command(output: Path, injection: str, *options: str) -> list[str]:
    """-D: the tracer is the grandchild, so that the process started is the traced one itself."""
    return ["strace", *options, "-qq", "-o", str(output), "-e", "trace=%network", "-e", f"inject={injection}"]


def _parse(line: str) -> Event | None:
    """The log also holds what is no event: a traceback, the dump of a crash, half a line."""
    with contextlib.suppress(ValueError):
        event = json.loads(line)
        return event if isinstance(event, dict) else None
    return None
