"""Asking a worker to pause, to go on, or to drain: its next beat hears it, and its row shows what it does."""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shared.clock import db_now
from shared.database import joined
from shared.errors import Conflict, InvalidInput, NotFound
from shared.models import Worker
from shared.text import check_text
from shared.views.finding import find_id

STATES = ("running", "paused", "draining")


def ask_worker(given: str, state: str, *, session: Session | None = None) -> list[str]:
    """Ask the live workers of this name, or the one whose id begins so, to be in `state`; returns their ids.

    A worker that drains ends, and hears no other request. Raises NotFound, Conflict where none of them lives or all of
    them drain, or InvalidInput.
    """
    if state not in STATES:
        raise InvalidInput("state", f"{state[:40]!r} is none of {', '.join(STATES)}")
    with joined(session) as target:
        named = select(Worker.worker_id).where(Worker.name == check_text("worker", given, 200))
        found = list(target.scalars(named)) or [_by_id(target, given)]
        is_live = (Worker.worker_id.in_(found), Worker.state != "stopped", Worker.lease_until > db_now())
        live = list(target.scalars(select(Worker.worker_id).where(*is_live).order_by(Worker.worker_id)))
        if not live:
            raise Conflict(f"the worker {given!r} does not run any more")
        obeys = (Worker.worker_id.in_(live), Worker.requested_state.is_distinct_from("draining"))
        asked = update(Worker).where(*obeys).values(requested_state=state).returning(Worker.worker_id)
        if not (ids := list(target.scalars(asked))):
            raise Conflict(f"the worker {given!r} drains already")
        return sorted(ids)


def _by_id(session: Session, given: str) -> str:
    try:
        return find_id(session, Worker.worker_id, "worker", given)
    except InvalidInput as error:
        if "fits several" in error.reason:
            raise
        raise NotFound("worker", given) from None
