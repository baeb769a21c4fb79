"""Jobs as lists and as pages: filters, keyset paging, and what a job's children add up to.

A list never carries props, results or traces: a page of 200 jobs must stay small whatever they hold.
Counts of history are not offered; they cost a scan of the whole table on PostgreSQL.
"""

from typing import Any

from sqlalchemy import CTE, func, select, true
from sqlalchemy.orm import Session, aliased

from shared.database import is_postgresql
from shared.errors import InvalidInput, NotFound
from shared.ids import check_id
from shared.models import Chunk, Job, JobDependency
from shared.states import ACTIVE, JobState
from shared.text import check_text
from shared.views.children import scenes_of_job
from shared.views.finding import find_id

MAX_LIMIT = 200
_HEAVY = {"props", "result", "error_trace"}
_ALL_COLUMNS = tuple(Job.__table__.columns)
LIST_COLUMNS = tuple(column for column in _ALL_COLUMNS if column.name not in _HEAVY)
"""What a list shows of a job."""


def list_jobs(
    session: Session,
    *,
    state: str | None = None,
    job_type: str | None = None,
    book_id: str | None = None,
    queue: str | None = None,
    parent_job_id: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """The newest jobs that fit every filter given, newest first, without props, result and error_trace.

    `before`: a job_id; only older jobs, which is how the next page is asked for. Raises InvalidInput.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput("limit", f"must be from 1 to {MAX_LIMIT}")
    query = select(*LIST_COLUMNS).order_by(Job.job_id.desc()).limit(limit)
    if state is not None:
        query = query.where(Job.state == known_state(state))
    if job_type is not None:
        query = query.where(Job.job_type == check_text("job_type", job_type, 64))
    if queue is not None:
        query = query.where(Job.queue == check_text("queue", queue, 64))
    if book_id is not None:
        query = query.where(Job.book_id == check_id("book_id", book_id))
    if parent_job_id is not None:
        query = query.where(Job.parent_job_id == check_id("parent_job_id", parent_job_id))
    if before is not None:
        query = query.where(Job.job_id < check_id("before", before))
    return [dict(row) for row in session.execute(query).mappings()]


def get_job(session: Session, given: str) -> dict[str, Any]:
    """The job whose id is, or alone begins with, `given`: every column, and

    - `depends_on`: ids of the jobs it was enqueued behind;
    - `children`: of everything it started, how many are in each state;
    - `rolled_progress`: from 0 to 1, the mean of its children where it has any (an ended child counts as 1);
    - `scenes`: how far the scenes are that it started itself, see `children.scenes_of_job`; None where there are none;
    - `rolled_cost_usd`: its own cost and that of everything it started.

    Raises NotFound, or InvalidInput where `given` is no id or fits several.
    """
    job_id = find_id(session, Job.job_id, "job", given)
    row = session.execute(select(*_ALL_COLUMNS).where(Job.job_id == job_id)).mappings().one_or_none()
    if row is None:
        raise NotFound("job", given)
    needed = select(JobDependency.depends_on_job_id).where(JobDependency.job_id == job_id)
    family = _descendants(session, job_id)
    totals = (func.count(), func.sum(family.c.progress), func.sum(family.c.cost_usd))
    sums = session.execute(select(family.c.state, *totals).group_by(family.c.state)).all()
    children = {state: count for state, count, _, _ in sums}
    done = sum(progress if state in ACTIVE else count for state, count, progress, _ in sums)
    own = 1.0 if row["state"] == JobState.COMPLETED else float(row["progress"])
    return {
        **row,
        "depends_on": list(session.scalars(needed.order_by(JobDependency.depends_on_job_id))),
        "children": children,
        "scenes": scenes_of_job(session, job_id),
        "rolled_progress": done / sum(children.values()) if children and own < 1 else own,
        "rolled_cost_usd": row["cost_usd"] + sum(cost for *_, cost in sums),
    }


def list_descendants(session: Session, job_id: str, *, limit: int = 1000) -> list[dict[str, Any]]:
    """Everything a job started, oldest first, as in `list_jobs`, and the `chapter` and `chunk_props` it is about."""
    family = _descendants(session, job_id)
    query = (
        select(*LIST_COLUMNS, Chunk.chapter, Chunk.props.label("chunk_props"))
        .join(family, family.c.job_id == Job.job_id)
        .outerjoin(Chunk, (Chunk.chunk_id == Job.chunk_id) & Chunk.is_latest)
        .order_by(Job.job_id)
        .limit(limit)
    )
    return [dict(row) for row in session.execute(query).mappings()]


def active_job_with_key(session: Session, unique_key: str | None) -> str | None:
    """The id of the job that waits or runs with this key, None where there is none."""
    if not unique_key:
        return None
    key = check_text("unique_key", unique_key, 255)
    return session.scalar(select(Job.job_id).where(Job.unique_key == key, Job.state.in_(sorted(ACTIVE))))


def count_jobs_by_state(session: Session) -> dict[str, int]:
    """How many jobs wait and how many run, exactly; both figures come from partial indexes."""
    query = select(Job.state, func.count()).where(Job.state.in_(sorted(ACTIVE))).group_by(Job.state)
    counted = dict(session.execute(query).all())
    return {state: counted.get(state, 0) for state in (JobState.WAITING.value, JobState.RUNNING.value)}


def _descendants(session: Session, job_id: str) -> CTE:
    """Everything a job started, directly or through others: its id, and what is summed up of it.

    The sums' columns come along, because joining thousands of ids to the table again is planned as a scan of it. For
    the same reason PostgreSQL is told to look up each one's children by their index.
    """

    def columns(job: Any) -> tuple[Any, ...]:
        return (job.job_id, job.state, job.progress, job.cost_usd)

    family = select(*columns(Job)).where(Job.parent_job_id == job_id).cte("family", recursive=True)
    child = aliased(Job)
    if not is_postgresql(session.connection()):
        return family.union(select(*columns(child)).join(family, child.parent_job_id == family.c.job_id))
    its_own = select(*columns(child)).where(child.parent_job_id == family.c.job_id).offset(0).lateral("its_own")
    return family.union(select(*its_own.c).select_from(family.join(its_own, true())))


def known_state(state: str) -> JobState:
    """The state of this name. Raises InvalidInput."""
    try:
        return JobState(state)
    except ValueError:
        raise InvalidInput("state", f"{state[:40]!r} is none of {', '.join(JobState)}") from None
