"""`queues`: what each queue is doing, and the rules for it: pause, resume, limit."""

from typing import Any

import click

from bookbot_worker.cli.database import reading, writing
from bookbot_worker.cli.options import JSON_OPTION, option
from bookbot_worker.cli.output import print_json
from bookbot_worker.cli.tables import Column, print_rows
from shared.errors import InvalidInput
from shared.queues import MOST, limit_job_type, limit_queue, pause_queue, resume_queue
from shared.views import list_job_type_limits, list_queues

COLUMNS = (
    Column("QUEUE", lambda row: row["queue"]),
    Column("STATE", lambda row: _state(row)),
    Column("WAITING", lambda row: f"{row['waiting']}+" if row["is_capped"] else row["waiting"]),
    Column("DUE", lambda row: row["due"]),
    Column("RUNNING", lambda row: row["running"]),
    Column("LIMIT", lambda row: "" if row["max_running"] is None else row["max_running"]),
    Column("WORKERS", lambda row: row["workers"]),
    Column("OLDEST_DUE_AT", lambda row: row["oldest_due_at"], is_optional=True),
)

_LIMIT_COLUMNS = (
    Column("JOB_TYPE", lambda row: row["job_type"]),
    Column("RUNNING", lambda row: row["running"]),
    Column("LIMIT", lambda row: row["max_running"]),
)


@click.group()
def queues() -> None:
    """Show the queues; pause, resume and limit them.

    \b
    bookbot-worker queues list
    bookbot-worker queues pause default
    bookbot-worker queues limit default 20
    bookbot-worker queues limit --type generate_chunk 5
    """


@queues.command("list")
@click.option("--types", "of_types", is_flag=True, help="The limits of job types instead.")
@JSON_OPTION
def list_(of_types: bool, as_json: bool) -> None:
    """List the queues that have jobs, a rule, or a worker of their own.

    A queue is "full" when as many of its jobs run as may, and "unserved" when jobs wait in it for no live worker.

    \b
    bookbot-worker queues list
    bookbot-worker queues list --types
    """
    with reading() as session:
        rows = list_job_type_limits(session) if of_types else list_queues(session)
    columns, empty = (_LIMIT_COLUMNS, "No job type is limited.") if of_types else (COLUMNS, "No queues yet.")
    print_rows(rows, columns, as_json=as_json, empty=empty)


@queues.command()
@click.argument("queue")
@JSON_OPTION
def pause(queue: str, as_json: bool) -> None:
    """Let no more jobs of this queue start, on any worker, until it is resumed. What runs goes on.

    \b
    bookbot-worker queues pause default
    """
    with writing() as session:
        pause_queue(queue, session=session)
    _show(queue, as_json)


@queues.command()
@click.argument("queue")
@JSON_OPTION
def resume(queue: str, as_json: bool) -> None:
    """Let jobs of this queue start again.

    \b
    bookbot-worker queues resume default
    """
    with writing() as session:
        resume_queue(queue, session=session)
    _show(queue, as_json)


@queues.command()
@click.argument("queue", required=False)
@click.argument("max_running", type=click.IntRange(0, MOST), required=False)
@option("--type", "job_type", help="Limit this job type, whatever the queue, instead of a queue.")
@click.option("--none", "is_free", is_flag=True, help="Take the limit away.")
@JSON_OPTION
def limit(queue: str | None, max_running: int | None, job_type: str | None, is_free: bool, as_json: bool) -> None:
    """Let at most MAX_RUNNING jobs of a queue, or of a type, run at the same time on all workers together.

    \b
    bookbot-worker queues limit default 20
    bookbot-worker queues limit default --none
    bookbot-worker queues limit --type generate_chunk 5
    """
    if job_type is not None and queue is not None and max_running is None and queue.isdecimal():
        max_running, queue = int(queue), None
    if (queue is None) == (job_type is None):
        raise InvalidInput("queue", "name a queue, or a job type with --type")
    if (max_running is None) != is_free:
        raise InvalidInput("max_running", "give a number, or --none to take the limit away")
    with writing() as session:
        if job_type is not None:
            limit_job_type(job_type, max_running, session=session)
        else:
            limit_queue(str(queue), max_running, session=session)
    if queue is not None:
        _show(queue, as_json)
        return
    with reading() as session:
        rows = [row for row in list_job_type_limits(session) if row["job_type"] == job_type]
    print_rows(rows, _LIMIT_COLUMNS, as_json=as_json, empty="No limit.")


def _show(queue: str, as_json: bool) -> None:
    with reading() as session:
        rows = [row for row in list_queues(session) if row["queue"] == queue]
    if as_json:
        print_json(rows[0] if rows else None)
        return
    print_rows(rows, COLUMNS, as_json=False, empty="Nothing is special about this queue, and no job is in it.")


def _state(row: dict[str, Any]) -> str:
    """The first thing somebody should know about a queue."""
    if row["paused_at"] is not None:
        return "paused"
    if row["max_running"] is not None and row["running"] >= row["max_running"]:
        return "full"
    return "unserved" if row["due"] and not row["workers"] else "open"
