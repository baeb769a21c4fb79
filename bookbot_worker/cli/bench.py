"""`bench`: how fast this installation is on the database the settings name."""

import sys

import click

from bookbot_worker.cli.options import JSON_OPTION, option
from bookbot_worker.cli.output import print_json


@click.command()
@option("--jobs", type=click.IntRange(100, 1_000_000), default=5000, show_default=True, help="Jobs to run in all.")
@option("--concurrency", type=click.IntRange(1, 1000), help="Jobs at the same time.  [default: 10]")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON_OPTION
@click.pass_context
def bench(context: click.Context, jobs: int, concurrency: int | None, yes: bool, as_json: bool) -> None:
    """Measure the queue on your database: enqueue, throughput, latency.

    Puts jobs that do nothing into a queue of their own, runs a worker here for them, and deletes them.

    \b
    bookbot-worker bench --jobs 1000
    bookbot-worker bench --concurrency 50 --yes --json
    """
    from bookbot_worker.cli.bench_trial import QUEUE, Trial  # brings the whole worker; other commands start without it
    from bookbot_worker.cli.database import checked_engine
    from shared.settings import load_settings

    settings = load_settings(**({} if concurrency is None else {"concurrency": concurrency}))
    engine = checked_engine()
    click.echo(
        f"This puts {jobs} jobs into the queue {QUEUE!r} of {engine.url.render_as_string(hide_password=True)},"
        " runs them here, and deletes them.",
        err=True,
    )
    if not yes and not (sys.stdin.isatty() and click.confirm("Go on?", err=True)):
        raise click.UsageError("nothing was done; say --yes where nobody can be asked", context)
    with Trial(settings, engine) as trial:
        single = trial.enqueue_one_by_one(min(jobs // 10, 500))
        bulk = trial.enqueue_in_bulk(jobs)
        figures: dict[str, float] = {
            "enqueued_per_second_one_by_one": round(single),
            "enqueued_per_second_in_bulk": round(bulk),
        }
        figures["jobs_per_second"] = round(trial.run())
        median, longest = trial.pick_up(50)
    figures |= {"pick_up_ms_median": round(median, 2), "pick_up_ms_longest": round(longest, 2)}
    if as_json:
        print_json(figures)
        return
    for name, value in figures.items():
        click.echo(f"{name.replace('_', ' '):34} {value:>10,}")
