"""`jobs`: enqueue, list, show, cancel, retry, why. Following a job as it runs is in `follow.py`."""

from typing import Any

import click
from sqlalchemy import select

from bookbot_worker.cli.bulk import change_matching, filter_options, filters_of
from bookbot_worker.cli.confirming import DRY_RUN_OPTION, YES_OPTION
from bookbot_worker.cli.database import reading, writing
from bookbot_worker.cli.follow import logs, watch
from bookbot_worker.cli.inputs import find_given, read_props
from bookbot_worker.cli.job_text import COLUMNS, print_job
from bookbot_worker.cli.llm_text import print_calls
from bookbot_worker.cli.options import JSON_OPTION, Instant, option
from bookbot_worker.cli.output import one_line, print_json
from bookbot_worker.cli.tables import print_rows
from shared.bulk import JobFilter, cancel_matching, retry_matching, states_to_cancel, states_to_retry
from shared.control import cancel_job, retry_job
from shared.enqueue import create_job
from shared.models import Book, Chunk, Job
from shared.states import JobState
from shared.views import cost_of_job, find_id, get_job, job_calls, list_jobs
from shared.views import failed_children as list_failed_children
from shared.why import explain


@click.group()
def jobs() -> None:
    """Enqueue jobs, watch them, call them off, run them again.

    \b
    bookbot-worker jobs enqueue create_foundation --book 0199f2a4
    bookbot-worker jobs list --state error
    bookbot-worker jobs watch 0199f2a4
    """


jobs.add_command(logs)
jobs.add_command(watch)


@jobs.command()
@click.argument("job_type")
@option("--book", help="The book it is about.")
@option("--chunk", help="The chunk (scene) it is about; its book need not be named.")
@option("--props", metavar="JSON|@FILE|-", help="The job's parameters, a JSON object.")
@option("--queue", help="Another queue than the type's own.")
@option("--priority", type=int, default=0, show_default=True, help="Higher runs first.")
@option("--run-at", type=Instant(), help="Not before this time, such as 2030-01-31T09:00:00Z.")
@option("--unique-key", help="While a job with this key waits or runs, that job is the answer.")
@option("--depends-on", multiple=True, metavar="JOB_ID", help="Only after this job completed; repeatable.")
@JSON_OPTION
def enqueue(
    job_type: str, book: str | None, chunk: str | None, props: str | None, depends_on: tuple[str, ...], as_json: bool,
    **given: Any,
) -> None:  # fmt: skip
    """Enqueue a job; prints its id.

    \b
    bookbot-worker jobs enqueue create_foundation --book 0199f2a4
    bookbot-worker jobs enqueue export_book --book 0199f2a4 --props '{"format": "epub"}' --depends-on 0199f2a5
    """
    parameters = read_props(props)
    with writing() as session:
        chunk_id = find_given(session, Chunk.chunk_id, "chunk", chunk)
        book_id = find_given(session, Book.book_id, "book", book)
        if chunk_id is not None and book_id is None:
            book_id = session.scalar(select(Chunk.book_id).where(Chunk.chunk_id == chunk_id, Chunk.is_latest))
        needed = [find_id(session, Job.job_id, "job", other) for other in depends_on]
        job = create_job(
            job_type=job_type, book_id=book_id, chunk_id=chunk_id, props=parameters, depends_on=needed,
            session=session, **given,
        )  # fmt: skip
        job_id, reason = job.job_id, job.error_message
    if reason is not None:  # only of a job that was cancelled at once, because one it needs had already failed
        click.echo(f"It was cancelled at once. {one_line(reason)}", err=True)
    _print_id(job_id, as_json)


@jobs.command("list")
@option("--state", type=click.Choice([state.value for state in JobState]), help="Only jobs in this state.")
@option("--type", "job_type", help="Only jobs of this type.")
@option("--book", help="Only jobs of this book.")
@option("--queue", help="Only jobs of this queue.")
@option("--parent", help="Only jobs this job started.")
@option("--before", help="Only jobs older than this one, for the next page.")
@option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@JSON_OPTION
def list_(book: str | None, parent: str | None, before: str | None, as_json: bool, **filters: Any) -> None:
    """List jobs, newest first.

    \b
    bookbot-worker jobs list --state error
    bookbot-worker jobs list --book 0199f2a4 --type generate_chunk --limit 10
    """
    with reading() as session:
        rows = list_jobs(
            session,
            book_id=find_given(session, Book.book_id, "book", book),
            parent_job_id=find_given(session, Job.job_id, "job", parent),
            before=find_given(session, Job.job_id, "job", before),
            **filters,
        )
    print_rows(rows, COLUMNS, as_json=as_json, empty="No jobs.")


@jobs.command()
@click.argument("job_id")
@click.option("--llm", "with_calls", is_flag=True, help="What it asked LLMs, and what they answered.")
@JSON_OPTION
def show(job_id: str, with_calls: bool, as_json: bool) -> None:
    """Show a job, what it started, and why it waits. JOB_ID may be its unique beginning.

    \b
    bookbot-worker jobs show 0199f2a4
    bookbot-worker jobs show 0199f2a4 --llm
    """
    with reading() as session:
        if with_calls:
            calls = job_calls(session, find_id(session, Job.job_id, "job", job_id))
            (print_json if as_json else print_calls)(calls)
            return
        job = get_job(session, job_id)
        job["llm"] = cost_of_job(session, job["job_id"])
        reason = explain(session, job["job_id"]) if job["state"] == JobState.WAITING else None
    if as_json:
        print_json(job | {"why": reason})
    else:
        print_job(job, reason)


@jobs.command()
@click.argument("job_id", required=False)
@filter_options
@YES_OPTION
@DRY_RUN_OPTION
@JSON_OPTION
def cancel(job_id: str | None, is_sure: bool, is_dry_run: bool, as_json: bool, **given: Any) -> None:
    """Call off a job and everything it started; prints its state. A running job stops when its worker agrees.

    Without JOB_ID all jobs that fit the filter, after a question; prints how many.

    \b
    bookbot-worker jobs cancel 0199f2a4
    bookbot-worker jobs cancel --queue default --older-than 12h --dry-run
    """
    if (filters := _filters(job_id, given)) is not None:
        change_matching(
            filters, question="Cancel {count} jobs, and what they started?", states=states_to_cancel,
            step=lambda session, fits, after: cancel_matching(session, fits, after=after),
            is_sure=is_sure, is_dry_run=is_dry_run, as_json=as_json,
        )  # fmt: skip
        return
    with writing() as session:
        found = find_id(session, Job.job_id, "job", str(job_id))
        state = cancel_job(found, session=session)
    if state is JobState.RUNNING:
        click.echo("It runs; its worker was asked to stop it.", err=True)
    if not as_json:
        click.echo(state)
        return
    with reading() as session:
        print_json(get_job(session, found))


@jobs.command()
@click.argument("job_id", required=False)
@click.option("--fresh", is_flag=True, help="Ask LLMs anew, for money, instead of using the answers it has.")
@click.option("--failed-children", is_flag=True, help="Run its failed scene jobs again, and then itself.")
@filter_options
@YES_OPTION
@DRY_RUN_OPTION
@JSON_OPTION
def retry(
    job_id: str | None, fresh: bool, failed_children: bool, is_sure: bool, is_dry_run: bool, as_json: bool, **given: Any
) -> None:
    """Run an ended job again; prints its id. Attempts, log lines and the answers of LLMs are kept.

    A generate_book job makes new jobs for the scenes that were not done; with --failed-children the old ones go on.
    Without JOB_ID all failed jobs, and those in error, that fit the filter, after a question; prints how many.

    \b
    bookbot-worker jobs retry 0199f2a4 --fresh
    bookbot-worker jobs retry --type generate_chunk --yes
    """
    if (filters := _filters(job_id, given)) is not None:
        if failed_children:
            raise click.UsageError("--failed-children goes with a JOB_ID")
        change_matching(
            filters, question="Run {count} jobs again?", states=states_to_retry,
            step=lambda session, fits, after: retry_matching(session, fits, fresh=fresh, after=after),
            is_sure=is_sure, is_dry_run=is_dry_run, as_json=as_json,
        )  # fmt: skip
        return
    with writing() as session:
        found = find_id(session, Job.job_id, "job", str(job_id))
        children = list_failed_children(session, found) if failed_children else []
        for child in [*children, found]:
            retry_job(child, fresh=fresh, session=session)
    if failed_children:
        click.echo(f"{len(children)} of its scene jobs run again.", err=True)
    _print_id(found, as_json)


@jobs.command()
@click.argument("job_id")
@JSON_OPTION
def why(job_id: str, as_json: bool) -> None:
    """Say why a job is waiting.

    \b
    bookbot-worker jobs why 0199f2a4
    """
    with reading() as session:
        found = find_id(session, Job.job_id, "job", job_id)
        reason = explain(session, found)
    if as_json:
        print_json({"job_id": found, "why": reason})
    else:
        click.echo(one_line(reason))


def _filters(job_id: str | None, given: dict[str, Any]) -> JobFilter | None:
    """The filter where one was given instead of a job. Raises UsageError where it is both or neither."""
    with reading() as session:
        filters = filters_of(session, **given)
    if (job_id is None) == (filters is None):
        raise click.UsageError("name a job, or give a filter such as --queue or --type (--all for all jobs)")
    return filters


def _print_id(job_id: str, as_json: bool) -> None:
    if not as_json:
        click.echo(job_id)
        return
    with reading() as session:
        print_json(get_job(session, job_id))
