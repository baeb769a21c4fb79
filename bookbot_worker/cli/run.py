"""`run`: one worker process, until it is told to stop."""

import contextlib
import os
import sys
from typing import Any, NoReturn

import click

from bookbot_worker.cli.options import Name, Seconds, option
from shared.settings import load_settings


@click.command()
@option("--concurrency", type=click.IntRange(1, 1000), help="Jobs at the same time.  [default: 10]")
@option("--queue", "queues", type=Name(64), multiple=True, help="Serve only this queue; repeatable.")
@option("--name", "worker_name", type=Name(200), help="How people recognise this worker.  [default: the host's name]")
@option(
    "--poll-interval", "poll_seconds", type=Seconds(0, 3600, min_open=True), metavar="SECONDS",
    help="How often to look for jobs when idle.  [default: 1]",
)  # fmt: skip
@option(
    "--drain-timeout", "drain_seconds", type=Seconds(0, 86_400), metavar="SECONDS",
    help="How long running jobs may finish after SIGTERM.  [default: 300]",
)  # fmt: skip
@option(
    "--health-port",
    type=click.IntRange(0, 65_535),
    help="Answer /livez, /readyz and /metrics on this port.  [default: none]",
)
@click.option("--until-empty", is_flag=True, help="Exit when no job is due any more.")
def run(until_empty: bool, **overrides: Any) -> None:
    """Run a worker: claim jobs, execute them, settle them.

    The first SIGTERM or Ctrl-C finishes what runs; the second gives it back to the queue and leaves. SIGUSR2 pauses
    and resumes claiming, SIGUSR1 prints the stacks of all threads.

    \b
    bookbot-worker run
    bookbot-worker run --concurrency 20 --queue default --queue exports --health-port 9100
    bookbot-worker run --until-empty
    """
    from bookbot_worker.daemon import run_worker  # brings the whole worker; other commands start without it
    from bookbot_worker.telemetry.logging import configure_logging

    settings = load_settings(**{name: value for name, value in overrides.items() if value not in (None, ())})
    configure_logging(settings)
    run_worker(settings, leave, until_empty=until_empty)


def leave(code: int) -> NoReturn:
    """End the process here: the interpreter would wait for threads that jobs have left behind, perhaps for ever."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
