"""`prune`: forget jobs that ended long ago, batch by batch."""

import click

from bookbot_worker.cli.confirming import DRY_RUN_OPTION, YES_OPTION, confirm
from bookbot_worker.cli.database import reading, writing
from bookbot_worker.cli.options import JSON_OPTION, option
from bookbot_worker.cli.output import print_json
from bookbot_worker.cli.stats import UNITS, Span
from shared.pruning import BATCH, COUNTED, Pruned, count_prunable, ended_before, prune_batch, prune_rest
from shared.states import TERMINAL, JobState

_ENDED = sorted(state.value for state in TERMINAL)


@click.command()
@option("--older-than", type=Span(), default="90d", show_default=True, help="Since when they must have ended.")
@option(
    "--state",
    "states",
    type=click.Choice(sorted(state.value for state in TERMINAL)),
    multiple=True,
    help="Only these; repeatable.",
)
@YES_OPTION
@DRY_RUN_OPTION
@JSON_OPTION
def prune(older_than: int, states: tuple[str, ...], is_sure: bool, is_dry_run: bool, as_json: bool) -> None:
    """Forget jobs that ended long ago, with their logs.

    The texts of their LLM calls go too. Books, files and costs stay, and jobs that an active job waits for, started or
    was started by. It works in batches: an interrupted one has forgotten what it had got to. To prune every night, see
    "schedules create --help".

    \b
    bookbot-worker prune --older-than 30d --dry-run
    bookbot-worker prune --older-than 7d --state completed --yes
    """
    chosen = frozenset(map(JobState, states)) or TERMINAL
    with reading() as session:
        before = ended_before(session, older_than / UNITS["d"])
        count = count_prunable(session, before, chosen)
    text = f"{count}{'+' if count == COUNTED else ''}"
    if is_dry_run:
        print_json({"jobs": count, "before": before}) if as_json else click.echo(f"{text} jobs would be forgotten.")
        return
    if count:
        confirm(f"Forget {text} jobs that ended before {before:%Y-%m-%d %H:%M}Z?", is_sure)
    pruned, batch = Pruned(), Pruned(jobs=BATCH)
    while batch.jobs == BATCH:
        with writing() as session:
            batch = prune_batch(session, before, chosen)
        pruned += batch
    with writing() as session:
        pruned += prune_rest(session, before)
    if as_json:
        print_json(pruned.as_dict())
    else:
        click.echo(f"Forgot {pruned.jobs} jobs, {pruned.log_lines} log lines, {pruned.workers} workers.")
