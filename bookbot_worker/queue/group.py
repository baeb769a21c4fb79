"""Settling many attempts at once, so that one bad one cannot hold up the rest."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine, select
from sqlalchemy.exc import StatementError

from bookbot_worker.queue.settle import settle_together
from bookbot_worker.queue.settlement import Settlement
from shared.database import asking
from shared.models import Job
from shared.outages import is_outage
from shared.states import TERMINAL


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a group: job ids settled, and those whose data the database refuses, with its reason.

    `confirmed`: an earlier try had committed, and only its answer was lost. The others had lost their claim.
    """

    settled: set[str] = field(default_factory=set)
    refused: dict[str, StatementError] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)


def settle_group(engine: Engine, settlements: Sequence[Settlement]) -> Settled:
    """Settle attempts that wrote nothing, in one transaction; where that cannot be, each in its own.

    Raises only what says that the database is away; then nothing is lost: call again. An earlier call that raised may
    have committed all the same. The fence finds that out: its update waits for the row as long as that commit is
    undecided, and then sees the row as it is.
    """
    group = Settled()
    try:
        group.settled.update(settle_together(engine, settlements))
    except StatementError as error:
        if is_outage(error):
            raise
        _one_by_one(engine, settlements, group)
    if missing := [item for item in settlements if item.job_id not in group.settled | group.refused.keys()]:
        group.confirmed.update(_settled_before(engine, missing))
    return group


def _one_by_one(engine: Engine, settlements: Sequence[Settlement], group: Settled) -> None:
    for settlement in settlements:
        try:
            group.settled.update(settle_together(engine, [settlement]))
        except StatementError as error:
            if is_outage(error):
                raise
            group.refused[settlement.job_id] = error


def _settled_before(engine: Engine, settlements: Sequence[Settlement]) -> set[str]:
    """Those that have ended under the very claim they were to be settled under."""
    ended = select(Job.job_id).where(
        Job.job_id.in_([item.job_id for item in settlements]),
        Job.claim_id.in_([item.claim_id for item in settlements]),
        Job.state.in_(TERMINAL),
    )
    with asking(engine).connect() as connection:
        return set(connection.scalars(ended))
