"""`jobs logs` and `jobs watch`: looking at a job while it runs, until it has ended."""

import threading

import click

from bookbot_worker.cli.board import make_board
from bookbot_worker.cli.database import reading
from bookbot_worker.cli.exit_codes import ExitCode
from bookbot_worker.cli.job_text import log_line
from bookbot_worker.cli.options import JSON_OPTION, option
from bookbot_worker.cli.output import one_line, print_json, print_json_line
from shared.models import Job
from shared.states import JobState
from shared.views import find_id, get_job, job_logs, list_descendants
from shared.views.logs import LEVELS, START

LOOK_AGAIN_SECONDS = 0.5  # job logs are stored every half second; looking more often shows nothing new


@click.command()
@click.argument("job_id")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended; with --json, one object a line.")
@option("--level", type=click.Choice(LEVELS, case_sensitive=False), help="Only lines at least this serious.")
@JSON_OPTION
def logs(job_id: str, follow: bool, level: str | None, as_json: bool) -> None:
    """Print a job's log, oldest line first.

    \b
    bookbot-worker jobs logs 0199f2a4 --level warning
    bookbot-worker jobs logs -f 0199f2a4
    """
    after, has_ended = START, not follow
    with reading() as session:
        found = find_id(session, Job.job_id, "job", job_id)
    while True:
        with reading() as session:
            # The state first: whatever was logged before the end is then among the lines read after it.
            has_ended = has_ended or JobState(get_job(session, found)["state"]).is_terminal
        with reading() as session:
            rows = job_logs(session, found, after=after, level=level)
        if as_json and not follow:
            print_json(rows)
            return
        for row in rows:
            click.echo(log_line(row)) if not as_json else print_json_line(row)
            after = (row["attempt"], row["seq"])
        if rows:
            continue
        if has_ended:
            return
        threading.Event().wait(LOOK_AGAIN_SECONDS)


@click.command()
@click.argument("job_id")
@click.option("--exit-status", is_flag=True, help="Exit 1 if the job did not complete.")
@click.pass_context
def watch(context: click.Context, job_id: str, exit_status: bool) -> None:
    """Show a job and everything it started, live, until all of it has ended.

    \b
    bookbot-worker jobs watch 0199f2a4
    bookbot-worker jobs watch 0199f2a4 --exit-status
    """
    with make_board() as board:
        while True:
            with reading() as session:
                job = get_job(session, job_id)
                rows = [job, *list_descendants(session, job["job_id"])]
            board.show(rows)
            if all(JobState(row["state"]).is_terminal for row in rows):
                break
            threading.Event().wait(LOOK_AGAIN_SECONDS)
    if job["error_message"]:
        click.echo(f"{job['state']}: {one_line(job['error_message'])}", err=True)
    if exit_status and job["state"] != JobState.COMPLETED:
        context.exit(ExitCode.FAILED)
