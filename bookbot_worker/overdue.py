"""When a running attempt must be asked to stop, and when it is given up. Pure decisions over seconds.

Python cannot end a thread (an asynchronous exception did not interrupt a wait in C: measured). So a job that does not
stop when asked is fenced out: it is settled without its work, its thread can do nothing any more, and its slot is lost
until the thread comes back by itself.
"""

from enum import Enum, auto

from bookbot_worker.cancellation import StopReason


class Step(Enum):
    """What to do with a running attempt now."""

    NOTHING = auto()
    ASK = auto()
    FENCE = auto()


def next_step(
    *, ran: float, timeout: float, reason: StopReason | None, asked: float, grace: float
) -> tuple[Step, float]:
    """The step to take, and in how many seconds to look again.

    `ran`: since its start; `timeout`: what its job type allows; `reason`: why it was asked to stop, None if it was not;
    `asked`: seconds since; `grace`: how long a job may take to stop. A worker that shuts down has a time of its own.
    """
    if reason is StopReason.SHUTDOWN:
        return Step.NOTHING, float("inf")
    if reason is None:
        return (Step.ASK, grace) if ran >= timeout else (Step.NOTHING, timeout - ran)
    return (Step.FENCE, float("inf")) if asked >= grace else (Step.NOTHING, grace - asked)


def must_recycle(leaked: int, slots: int) -> bool:
    """Whether so many slots are lost to threads that do not stop that a new process should take over."""
    return leaked > 0 and 2 * leaked >= slots
