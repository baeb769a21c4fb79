"""Carrying out what was asked for by those who may not do it themselves: cancels of waiting jobs, and retries.

A cancel of a running job is not among them: its worker hears of it as of any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, and_, exists, literal_column, or_, select, update
from sqlalchemy.orm import Session

from shared.control import cancel_job, lock_family, retry_job
from shared.database import asking
from shared.errors import Conflict
from shared.models import Job
from shared.states import JobState

BATCH = 200

_WAITS: ColumnElement[bool] = Job.state == literal_column("'waiting'")
IS_ASKED: ColumnElement[bool] = or_(
    Job.retry_requested_at.is_not(None), and_(Job.cancel_requested_at.is_not(None), _WAITS)
)
"""Answered by the index on requests, of which there are next to none."""


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """What became of one request: "cancel" or "retry", and why it was refused, None where it was not."""

    job_id: str
    what: str
    refusal: str | None = None


def anything_asked() -> ColumnElement[bool]:
    """Whether there is a request, as a column for another question."""
    return exists().where(IS_ASKED).correlate(None)


def asked_for(engine: Engine) -> list[str]:
    """The ids of up to BATCH jobs to be called off, the oldest first, and of as many to be run again, youngest first.

    So whole families are called off by their parents, and children run again before their parents do, which would
    start others in their place.
    """
    wanted = select(Job.job_id).where(IS_ASKED).limit(BATCH)
    cancels = wanted.where(_WAITS).order_by(Job.job_id)
    retries = wanted.where(Job.retry_requested_at.is_not(None)).order_by(Job.job_id.desc())
    with asking(engine).connect() as connection:
        return [*connection.scalars(cancels), *connection.scalars(retries)]


def carry_out(engine: Engine, job_ids: Sequence[str]) -> list[CarriedOut]:
    """Do what is asked of each job, each in a transaction of its own; what another worker has done meanwhile is left.

    A retry that cannot be done any more is taken off the row, so that it is not tried for ever.
    """
    with Session(engine) as session:
        return [done for job_id in job_ids if (done := _carry_out(session, job_id))]


def _carry_out(session: Session, job_id: str) -> CarriedOut | None:
    with session.begin():
        states = lock_family(session.connection(), job_id)
        is_asked = select(Job.retry_requested_at.is_not(None), Job.retry_fresh).where(Job.job_id == job_id, IS_ASKED)
        asked = session.execute(is_asked).one_or_none()
        if asked is None:
            return None
        if states[job_id] is JobState.WAITING:
            cancel_job(job_id, session=session)
            return CarriedOut(job_id, "cancel")
        try:
            with session.begin_nested():
                retry_job(job_id, fresh=asked.retry_fresh, session=session)
        except Conflict as error:
            forgotten = update(Job).where(Job.job_id == job_id)
            session.execute(forgotten.values(retry_requested_at=None, retry_fresh=False))
            return CarriedOut(job_id, "retry", str(error))
        return CarriedOut(job_id, "retry")
