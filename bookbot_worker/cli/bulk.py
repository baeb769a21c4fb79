"""`jobs cancel` and `jobs retry` by filter: count, ask, then batch after batch."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from bookbot_worker.cli.confirming import confirm
from bookbot_worker.cli.database import reading, writing
from bookbot_worker.cli.inputs import find_given
from bookbot_worker.cli.options import option
from bookbot_worker.cli.output import one_line, print_json
from bookbot_worker.cli.stats import Span
from shared.bulk import Batch, JobFilter, count_matching
from shared.clock import db_now
from shared.ids import new_id
from shared.models import Book, Job
from shared.states import JobState

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def filter_options(command: Decorated) -> Decorated:
    """The options that say which jobs are meant; `filters_of` reads them."""
    for decorate in (
        option("--older-than", type=Span(), help="Only jobs enqueued so long ago, such as 12h."),
        option("--parent", help="Only jobs this job started."),
        option("--queue", help="Only jobs of this queue."),
        option("--book", help="Only jobs of this book."),
        option("--type", "job_type", help="Only jobs of this type."),
        option("--state", type=click.Choice([state.value for state in JobState]), help="Only jobs in this state."),
        click.option("--all", "of_all", is_flag=True, help="All jobs there are, instead of a filter."),
    ):
        command = decorate(command)
    return command


def filters_of(
    session: Session, *, of_all: bool, book: str | None, parent: str | None, older_than: int | None, **given: Any
) -> JobFilter | None:
    """What these options mean; None where none was given. Jobs enqueued from now on are not meant."""
    values = given | {
        "book_id": find_given(session, Book.book_id, "book", book),
        "parent_job_id": find_given(session, Job.job_id, "job", parent),
    }
    if older_than is not None:
        values["older_than"] = session.scalars(select(db_now())).one() - timedelta(seconds=older_than)
    is_empty = all(value is None for value in values.values())
    if is_empty and not of_all:
        return None
    if of_all and not is_empty:
        raise click.UsageError("--all goes with no other filter")
    return JobFilter(**values, last_job_id=new_id())


def change_matching(
    filters: JobFilter, *, question: str, states: Callable[[JobFilter], Any],
    step: Callable[[Session, JobFilter, str | None], Batch], is_sure: bool, is_dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Count the jobs that fit, ask (`question` has a {count}), and change them, each batch in its own transaction."""
    with reading() as session:
        count = count_matching(session, filters, states(filters))
    if is_dry_run:
        print_json({"matching": count.number, "is_capped": count.is_capped}) if as_json else click.echo(count)
        return
    if count.number:
        confirm(question.format(count=count), is_sure)
    total, asked, skipped, after = 0, 0, dict[str, str](), None
    while True:
        with writing() as session:
            batch = step(session, filters, after)
        total, asked, skipped, after = total + batch.changed, asked + batch.asked, skipped | batch.skipped, batch.last
        if after is None:
            break
    if as_json:
        print_json({"changed": total, "asked_to_stop": asked, "skipped": skipped})
        return
    click.echo(total)
    if asked:
        click.echo(f"{asked} more run; their workers were asked to stop them.", err=True)
    for job_id, reason in skipped.items():
        click.echo(f"{job_id} was skipped: {one_line(reason)}", err=True)
