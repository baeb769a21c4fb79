"""`run`: one worker process, until it is told to stop."""

from typing import Any

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
@click.option("--until-empty", is_flag=True, help="Exit when no job is due any more.")
@click.pass_context
def run(context: click.Context, /, until_empty: bool, **overrides: Any) -> None:
    """Run a worker: claim jobs, execute them, settle them.

    The first SIGTERM or Ctrl-C finishes what runs; the second gives it back to the queue and leaves.
    """
    from bookbot_worker.daemon import run_worker  # brings the whole worker; other commands start without it
    from bookbot_worker.telemetry.logging import configure_logging

    settings = load_settings(**{name: value for name, value in overrides.items() if value not in (None, ())})
    configure_logging(settings)
    context.exit(run_worker(settings, until_empty=until_empty))
