"""How a job reads on a terminal: as a row, as a page, as a name in a crowd of its siblings."""

from collections.abc import Sequence

import click

from bookbot_worker.cli.llm_text import spent, usd
from bookbot_worker.cli.output import Row, block, one_line, percent, print_fields, shown
from bookbot_worker.cli.tables import Column
from shared.states import JobState

_NAMED_JOBS = 3


def _message(row: Row) -> str:
    """What went wrong, or else where the job is. What a completed job did last says nothing about now."""
    return row["error_message"] or ("" if row["state"] == JobState.COMPLETED else row["progress_message"]) or ""


COLUMNS = (
    Column("JOB_ID", lambda row: row["job_id"]),
    Column("STATE", lambda row: row["state"]),
    Column("TYPE", lambda row: row["job_type"]),
    Column("DONE", percent),
    Column("CREATED_AT", lambda row: row["created_at"], is_optional=True),
    Column("MESSAGE", _message),
)

_PAGE = (
    "job_id", "job_type", "state", "queue", "priority", "book_id", "chunk_id", "parent_job_id", "unique_key",
    "created_at", "run_at", "started_at", "completed_at", "cancel_requested_at", "deadline_at", "worker_id",
)  # fmt: skip


def print_job(job: Row, reason: str | None) -> None:
    """One job as a page; `reason` is why it waits, None where it does not."""
    where = "" if job["state"] == JobState.COMPLETED else one_line(job["progress_message"])
    children = ", ".join(f"{count} {state}" for state, count in sorted(job["children"].items()))
    print_fields(
        [
            *((name, job[name]) for name in _PAGE),
            ("why waiting", reason),
            ("attempt", f"{job['attempt']} of {job['max_attempts']}"),
            ("progress", percent(job, "rolled_progress") + (f" ({where})" if where else "")),
            ("started jobs", children),
            ("scenes", _scenes(job["scenes"])),
            ("depends_on", _ids(job["depends_on"])),
            ("cost_usd", usd(job["rolled_cost_usd"] or None)),
            ("own LLM calls", spent(job["llm"])),
            ("log lines", job["log_count"]),
            ("props", job["props"]),
            ("result", job["result"]),
            ("error", job["error_message"]),
        ]
    )
    if job["error_trace"]:
        click.echo(f"\n{shown(job['error_trace']).rstrip()}")


def _scenes(scenes: Row | None) -> str | None:
    """How far its scenes are, in words; None for a job that started none."""
    if scenes is None:
        return None
    rest = ", ".join(f"{scenes[state]} {state}" for state in ("running", "waiting", "lost") if scenes[state])
    return f"{scenes['done']} of {scenes['total']} done{', ' if rest else ''}{rest}; {scenes['words']} words"


def _ids(job_ids: Sequence[str]) -> str:
    """The first few, a line each, and how many more there are; `--json` has them all."""
    more = len(job_ids) - _NAMED_JOBS
    if more <= 1:
        return "\n".join(job_ids)
    return "\n".join([*job_ids[:_NAMED_JOBS], f"and {more} more"])


def name_of(row: Row) -> str:
    """What tells a job from its siblings: its type and the scene it is about."""
    props = row.get("chunk_props") or {}
    about = props.get("title") or (f"chapter {row['chapter']}" if row.get("chapter") else "")
    return one_line(f"{row['job_type']} · {about}" if about else row["job_type"])


def log_line(row: Row) -> str:
    """One line of a job's log as text; its further lines are indented."""
    return f"{shown(row['created_at'])}  {shown(row['level']):<8} {block(row['message'], 4)}"
