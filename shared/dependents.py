"""What happens to jobs that wait for others, when one of those ends or is called off.

A job whose needed job did not complete can never start: it is cancelled in the same transaction, with a
sentence that says because of which. Rows are locked in job_id order, so that two of these cannot deadlock.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from shared.clock import db_now
from shared.models import Job, JobDependency
from shared.states import JobState


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
