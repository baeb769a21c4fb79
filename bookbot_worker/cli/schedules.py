"""`schedules`: recurring jobs, their next ticks and their last jobs."""

from typing import Any

import click

from bookbot_worker.cli.database import reading, writing
from bookbot_worker.cli.inputs import find_given, read_props
from bookbot_worker.cli.options import JSON_OPTION, option
from bookbot_worker.cli.output import print_fields, print_json
from bookbot_worker.cli.tables import Column, print_rows
from shared.cron import CatchUp
from shared.models import Book
from shared.schedules import create_schedule, delete_schedule, disable_schedule, enable_schedule, run_schedule_now
from shared.views import get_job, get_schedule, list_schedules

COLUMNS = (
    Column("NAME", lambda row: row["name"]),
    Column("STATE", lambda row: _state(row)),
    Column("CRON", lambda row: row["cron"]),
    Column("TIMEZONE", lambda row: row["timezone"]),
    Column("TYPE", lambda row: row["job_type"]),
    Column("NEXT_RUN_AT", lambda row: row["next_run_at"]),
    Column("LAST_JOB_ID", lambda row: row["last_job_id"], is_optional=True),
    Column("LAST_STATE", lambda row: row["last_job_state"]),
)


@click.group()
def schedules() -> None:
    """Jobs that come again and again: list, create, enable, run now.

    \b
    bookbot-worker schedules create nightly --cron "0 3 * * *" --timezone Europe/Lisbon --type prune
    bookbot-worker schedules list
    bookbot-worker schedules run nightly
    """


@schedules.command("list")
@JSON_OPTION
def list_(as_json: bool) -> None:
    """List the schedules, with their next ticks.

    "overdue": no worker that knows the job type has come for a tick. "troubled": its last tick could make no job.

    \b
    bookbot-worker schedules list
    """
    with reading() as session:
        rows = list_schedules(session)
    print_rows(rows, COLUMNS, as_json=as_json, empty="No schedules. See: bookbot-worker schedules create --help")


@schedules.command()
@click.argument("name")
@JSON_OPTION
def show(name: str, as_json: bool) -> None:
    """Show one schedule: its next ticks, its last ones, and what is wrong with it.

    \b
    bookbot-worker schedules show nightly
    """
    with reading() as session:
        row = get_schedule(session, name)
    if as_json:
        print_json(row)
        return
    coming, past = row.pop("next_ticks"), row.pop("ticks")
    print_fields(row.items())
    print_fields([("next ticks", "\n".join(f"{tick:%Y-%m-%d %H:%M:%SZ}" for tick in coming))])
    lines = [f"{tick['tick_at']:%Y-%m-%d %H:%M:%SZ} {tick['job_id']} {tick['state'] or 'pruned'}" for tick in past]
    print_fields([("last ticks", "\n".join(lines))])


@schedules.command()
@click.argument("name")
@option("--cron", required=True, help='Minute, hour, day, month, weekday, such as "0 3 * * *".')
@option("--timezone", default="UTC", show_default=True, help="Where these hours are, such as Europe/Lisbon.")
@option("--type", "job_type", required=True, help="The type of its jobs.")
@option("--book", help="The book they are about.")
@option("--props", metavar="JSON|@FILE|-", help="Their parameters, a JSON object.")
@option("--queue", help="Another queue than the type's own.")
@option("--priority", type=int, default=0, show_default=True, help="Higher runs first.")
@option(
    "--catch-up", type=click.Choice([policy.value for policy in CatchUp]), default=CatchUp.ONCE.value,
    show_default=True, help="What becomes of ticks that no worker was there for.",
)  # fmt: skip
@click.option("--replace", is_flag=True, help="Change the schedule of this name, if there is one.")
@JSON_OPTION
def create(name: str, book: str | None, props: str | None, as_json: bool, **given: Any) -> None:
    """Have a job enqueued again and again; prints the schedule's name.

    Once per tick, however many workers run. Where clocks are put forward, a tick in the hour that is skipped comes
    right after it; where they are put back, one in the hour that comes twice comes once. Six fields: seconds first.

    \b
    bookbot-worker schedules create nightly --cron "0 3 * * *" --type prune --props '{"older_than_days": 90}'
    """
    parameters = read_props(props)
    with writing() as session:
        book_id = find_given(session, Book.book_id, "book", book)
        create_schedule(name, book_id=book_id, props=parameters, session=session, **given)
    _print(name, as_json)


@schedules.command()
@click.argument("name")
@JSON_OPTION
def enable(name: str, as_json: bool) -> None:
    """Let a schedule tick again, from now on.

    \b
    bookbot-worker schedules enable nightly
    """
    with writing() as session:
        enable_schedule(name, session=session)
    _print(name, as_json)


@schedules.command()
@click.argument("name")
@JSON_OPTION
def disable(name: str, as_json: bool) -> None:
    """Let a schedule tick no more until it is enabled.

    \b
    bookbot-worker schedules disable nightly
    """
    with writing() as session:
        disable_schedule(name, session=session)
    _print(name, as_json)


@schedules.command("run")
@click.argument("name")
@JSON_OPTION
def run_now(name: str, as_json: bool) -> None:
    """Enqueue a schedule's job now, beside its ticks; prints the job's id.

    \b
    bookbot-worker schedules run nightly
    """
    with writing() as session:
        job_id = run_schedule_now(name, session=session).job_id
    if not as_json:
        click.echo(job_id)
        return
    with reading() as session:
        print_json(get_job(session, job_id))


@schedules.command()
@click.argument("name")
def delete(name: str) -> None:
    """Forget a schedule. Jobs it has made stay.

    \b
    bookbot-worker schedules delete nightly
    """
    with writing() as session:
        delete_schedule(name, session=session)


def _print(name: str, as_json: bool) -> None:
    if not as_json:
        click.echo(name)
        return
    with reading() as session:
        print_json(get_schedule(session, name))


def _state(row: dict[str, Any]) -> str:
    """The first thing somebody should know about a schedule."""
    if row["paused_at"] is not None:
        return "disabled"
    if row["is_overdue"]:
        return "overdue"
    return "troubled" if row["trouble"] else "enabled"
