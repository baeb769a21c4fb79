"""Settling many attempts at once, so that one bad one cannot hold up the rest, and every failure is recorded."""

from collections.abc import Sequence

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from bookbot_worker.failure_text import why_not_saved
from bookbot_worker.outcomes import Errored
from bookbot_worker.queue.settle import Settlement, settle_together


def settle_group(engine: Engine, settlements: Sequence[Settlement]) -> set[str]:
    """Settle attempts that wrote nothing; returns the job ids settled, the others had lost their claim.

    One transaction for all. Where the data of one cannot be stored, each is settled on its own, and that one with
    the engine's own words only. Raises only what says that the database is away; then nothing is lost: call again.
    """
    try:
        return settle_together(engine, settlements)
    except DBAPIError as error:
        if is_outage(error):
            raise
    return {settlement.job_id for settlement in settlements if _settle_one(engine, settlement)}


def is_outage(error: DBAPIError) -> bool:
    """Whether the same statement may work later: connections, locks, timeouts; not data, not constraints."""
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def _settle_one(engine: Engine, settlement: Settlement) -> bool:
    try:
        return bool(settle_together(engine, [settlement]))
    except DBAPIError as error:
        if is_outage(error):
            raise
        bare = Settlement(settlement.holder, settlement.claim_id, Errored(why_not_saved(error)))
        return bool(settle_together(engine, [bare]))
