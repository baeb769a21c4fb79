"""Jobs that wait for others: noting what they wait for, and what becomes of them when one of those ends.

A job whose needed job did not complete can never start: it is cancelled in the same transaction, with a
sentence that says because of which. Rows are locked in job_id order, so that two of these cannot deadlock.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select, update
from sqlalchemy.orm import Session

from shared.clock import db_now
from shared.models import Job, JobDependency
from shared.states import TERMINAL, JobState


def add_dependencies(session: Session, waiting: Sequence[tuple[Job, Mapping[str, str]]]) -> None:
    """Note what new jobs wait for (ids, and "completed" or "finished"), and cancel those that wait in vain.

    Whether they do is looked up after the dependencies are in: their foreign keys have waited for whoever was just
    ending such a job (whose row is locked against that), so its end is seen here or the dependency is seen there.
    """
    session.add_all(
        JobDependency(job_id=job.job_id, depends_on_job_id=other, needs=needs)
        for job, waits in waiting
        for other, needs in waits.items()
    )
    needed = {other for _, waits in waiting for other, needs in waits.items() if needs == "completed"}
    if not needed:
        return
    session.flush()
    lost = select(Job.job_id).where(Job.job_id.in_(needed), Job.state.in_(TERMINAL - {JobState.COMPLETED}))
    cancelled = set(cancel_dependents(session.connection(), session.scalars(lost).all()))
    for job, _ in waiting:
        if job.job_id in cancelled and job in session:
            session.refresh(job)
        elif job.job_id in cancelled:
            job.state = JobState.CANCELLED  # of a bulk enqueue: a plain object


def cancel_dependents(connection: Connection, job_ids: Sequence[str]) -> list[str]:
    """Cancel every waiting job that needed one of `job_ids` to complete, and those that needed it in turn.

    Returns the ids of the jobs cancelled here. Does not commit.
    """
    cancelled: list[str] = []
    ended = list(job_ids)
    while ended:
        waiting = (
            select(Job.job_id, JobDependency.depends_on_job_id)
            .join(JobDependency, JobDependency.job_id == Job.job_id)
            .where(
                JobDependency.depends_on_job_id.in_(ended),
                JobDependency.needs == "completed",
                Job.state == JobState.WAITING,
            )
            .order_by(Job.job_id)
            .with_for_update(of=Job.__table__)
        )
        because = {row.job_id: row.depends_on_job_id for row in connection.execute(waiting)}
        for job_id, cause in because.items():
            connection.execute(
                update(Job)
                .where(Job.job_id == job_id, Job.state == JobState.WAITING)
                .values(
                    state=JobState.CANCELLED,
                    completed_at=db_now(),
                    error_message=f"Not started: job {cause}, which it depends on, did not complete.",
                )
            )
        ended = list(because)
        cancelled += ended
    return cancelled
