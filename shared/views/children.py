"""How far the scenes are that a job started: N of M done and how many words, in one query.

A scene that was tried again counts once, as its newest job stands. Sums over a job's whole family are in `jobs.py`.
"""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shared.models import Job
from shared.states import TERMINAL, JobState


def scenes_of_job(session: Session, job_id: str) -> dict[str, Any] | None:
    """`total`, `done`, `running`, `waiting`, `lost` (ended, not completed) and `words`, None without such children.

    `words` are those of the scenes done, as their jobs left them.
    """
    by_age = func.row_number().over(partition_by=Job.chunk_id, order_by=Job.job_id.desc())
    newest = (
        select(Job.state, Job.result, by_age.label("age"))
        .where(Job.parent_job_id == job_id, Job.job_type == "generate_chunk", Job.chunk_id.is_not(None))
        .subquery()
    )
    words = func.coalesce(func.sum(newest.c.result["words"].as_integer()), 0)
    rows = session.execute(
        select(newest.c.state, func.count(), words).where(newest.c.age == 1).group_by(newest.c.state)
    )
    counts = {state: (count, its_words) for state, count, its_words in rows}
    if not counts:
        return None
    return {
        "total": sum(count for count, _ in counts.values()),
        "done": counts.get(JobState.COMPLETED, (0, 0))[0],
        "running": counts.get(JobState.RUNNING, (0, 0))[0],
        "waiting": counts.get(JobState.WAITING, (0, 0))[0],
        "lost": sum(counts.get(state, (0, 0))[0] for state in TERMINAL - {JobState.COMPLETED}),
        "words": int(counts.get(JobState.COMPLETED, (0, 0))[1]),
    }


def failed_children(session: Session, job_id: str) -> list[str]:
    """Ids of the scene jobs of `job_id` that ended without completing and were not tried again, oldest first."""
    by_age = func.row_number().over(partition_by=Job.chunk_id, order_by=Job.job_id.desc())
    newest = (
        select(Job.job_id, Job.state, by_age.label("age"))
        .where(Job.parent_job_id == job_id, Job.job_type == "generate_chunk", Job.chunk_id.is_not(None))
        .subquery()
    )
    lost = sorted(TERMINAL - {JobState.COMPLETED})
    query = select(newest.c.job_id).where(newest.c.age == 1, newest.c.state.in_(lost)).order_by(newest.c.job_id)
    return list(session.scalars(query))
