"""Settling many attempts at once, so that one bad one cannot hold up the rest."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, StatementError

from bookbot_worker.queue.settle import settle_together
from bookbot_worker.queue.settlement import Settlement


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a group: job ids settled, and those whose data the database refuses, with its reason.

    The others had lost their claim.
    """

    settled: set[str] = field(default_factory=set)
    refused: dict[str, StatementError] = field(default_factory=dict)


def settle_group(engine: Engine, settlements: Sequence[Settlement]) -> Settled:
    """Settle attempts that wrote nothing, in one transaction; where that cannot be, each in its own.

    Raises only what says that the database is away; then nothing is lost: call again.
    """
    try:
        return Settled(settle_together(engine, settlements))
    except StatementError as error:
        if is_outage(error):
            raise
    group = Settled()
    for settlement in settlements:
        try:
            group.settled.update(settle_together(engine, [settlement]))
        except StatementError as error:
            if is_outage(error):
                raise
            group.refused[settlement.job_id] = error
    return group


def is_outage(error: StatementError) -> bool:
    """Whether the same statement may work later: connections, locks, timeouts; not data, not constraints.

    A StatementError that is no DBAPIError was raised before anything was sent, by a value of the wrong type.
    """
    return isinstance(error, DBAPIError) and (
        error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    )
