"""Which of this worker's running jobs somebody wants stopped."""

from sqlalchemy import Engine, select

from shared.database import asking
from shared.models import IS_RUNNING, Job


def asked_to_stop(engine: Engine, worker_id: str) -> list[str]:
    """The claim ids of this worker's running jobs with a cancel request."""
    wanted = select(Job.claim_id).where(Job.worker_id == worker_id, IS_RUNNING, Job.cancel_requested_at.is_not(None))
    with asking(engine).connect() as connection:
        return [claim_id for claim_id in connection.scalars(wanted) if claim_id is not None]
