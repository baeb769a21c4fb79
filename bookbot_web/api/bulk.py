"""Many jobs at once: all that fit a filter. Each portion is a transaction of its own; what is asked stays asked."""

from fastapi import APIRouter
from sqlalchemy.orm import Session

from bookbot_web.api.answers import Document
from bookbot_web.api.bodies import BulkBody, RawBody, described, read_body
from bookbot_web.database import Db
from shared.batches import batches
from shared.errors import Conflict
from shared.many_requests import request_cancels, request_retries
from shared.states import ACTIVE, TERMINAL, JobState
from shared.views.job_search import matching_ids
from shared.views.jobs import known_state

router = APIRouter(tags=["jobs"])

MOST = 10_000
"""Jobs that one request asks for; more are asked for by the next one."""

RETRIED = frozenset({JobState.FAILED, JobState.ERROR})
"""Jobs of these states run again where the filter names none."""


@router.post(
    "/bulk/cancel",
    status_code=202,
    summary="Ask that all that fit be called off",
    openapi_extra=described(BulkBody),
)
def cancel_matching(body: RawBody, db: Db) -> Document:
    """`asked`: how many; `may_be_more`: there may be others that fit, so ask again."""
    asked = read_body(BulkBody, body)
    with db.reading() as session:
        job_ids = _matching(session, asked, ACTIVE, ACTIVE)
    done = 0
    for portion in batches(job_ids):
        with db.writing() as session:
            done += request_cancels(portion, session=session)
    return {"asked": done, "may_be_more": len(job_ids) >= MOST}


@router.post(
    "/bulk/retry", status_code=202, summary="Ask that all that fit run again", openapi_extra=described(BulkBody)
)
def retry_matching(body: RawBody, db: Db) -> Document:
    """The same for ended jobs; without a `state`, for those in `failed` and `error`."""
    asked = read_body(BulkBody, body)
    with db.reading() as session:
        job_ids = _matching(session, asked, RETRIED, TERMINAL)
    done = 0
    for portion in batches(job_ids):
        with db.writing() as session:
            done += request_retries(portion, session=session, fresh=asked.fresh)
    return {"asked": done, "may_be_more": len(job_ids) >= MOST}


def _matching(
    session: Session, asked: BulkBody, usual: frozenset[JobState], possible: frozenset[JobState]
) -> list[str]:
    """The jobs that fit, in the states `usual`, or in the one that is asked for. Raises InvalidInput or Conflict."""
    filters = {name: value for name, value in asked.model_dump(exclude={"fresh", "state"}).items() if value is not None}
    states = usual if asked.state is None else frozenset({known_state(asked.state)})
    if not states <= possible:
        raise Conflict(f"nothing of this kind can be asked of a job that is {asked.state}")
    found: list[str] = []
    for state in sorted(states):
        if len(found) < MOST:
            found += matching_ids(session, filters | {"state": state}, limit=MOST - len(found))
    return found
