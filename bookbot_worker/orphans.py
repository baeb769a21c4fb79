"""What becomes of the jobs of a worker that may be dead. Pure decisions; `queue/rescue.py` has the statements.

Age tells nothing about a job (oban #1141: a second run beside the first): only the worker's lease does, or the certain
knowledge that its process is gone.
"""

from dataclasses import dataclass
from enum import Enum, auto

LOSSES_LIMIT = 3
"""A job that has lost its worker this often without progress is taken for the cause (sidekiq #4633: a poison pill).

Two would convict its neighbours with it: what is lost together is claimed together. The last chance is one without
other suspects (`shared.models.SUSPECT_AFTER`), so that the third death tells who it was.
"""


@dataclass(frozen=True, slots=True)
class Holder:
    """What the database knows about a worker that holds jobs. All but the id is None where its row is missing."""

    worker_id: str
    name: str | None = None
    hostname: str | None = None
    pid: int | None = None
    process: str | None = None
    state: str | None = None
    has_lease: bool = False


class Sign(Enum):
    """What a worker's row says about its life."""

    ALIVE = auto()
    STOPPED = auto()
    GONE = auto()
    SILENT = auto()


class Fate(Enum):
    """What a rescue does with one job."""

    RUN_AGAIN = auto()
    GIVE_UP = auto()
    CANCEL = auto()


def sign_of_life(holder: Holder, *, is_process_gone: bool) -> Sign:
    """Whether the worker lives. `is_process_gone`: its process ran on this machine and has ended."""
    if is_process_gone:
        return Sign.GONE
    if holder.state == "stopped":
        return Sign.STOPPED
    return Sign.ALIVE if holder.has_lease else Sign.SILENT


def may_rescue(sign: Sign, *, has_seen_others_beat: bool) -> bool:
    """Whether the worker's jobs may be taken from it now.

    Silence counts only for who would have heard the others: after an outage everybody has been silent.
    """
    return sign in (Sign.STOPPED, Sign.GONE) or (sign is Sign.SILENT and has_seen_others_beat)


def fate(losses: int, *, made_progress: bool, is_cancelled: bool) -> tuple[Fate, int]:
    """What becomes of a lost job, and its losses from now on.

    `losses`: how often it was lost before. `made_progress`: the lost run added an answer to the ledger, so that an
    hour-long job may survive many restarts, and one that kills its worker at the same place may not.
    """
    if is_cancelled:
        return Fate.CANCEL, losses
    losses = 0 if made_progress else losses + 1
    return (Fate.GIVE_UP if losses >= LOSSES_LIMIT else Fate.RUN_AGAIN), losses


def obituary(holder: Holder, sign: Sign) -> str:
    """Which worker was lost, and how one knows."""
    who = f"worker {holder.name or holder.worker_id}"
    if holder.pid is not None:
        who += f" (pid {holder.pid} on {holder.hostname})"
    how = {
        Sign.GONE: "its process is gone",
        Sign.STOPPED: "it stopped without giving the job back",
        Sign.SILENT: "it gave no sign of life for the whole of its lease",
        Sign.ALIVE: "it lives",
    }
    return f"{who}: {how[sign]}"
