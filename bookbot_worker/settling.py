"""The end of an attempt that wrote something, in the thread that ran it; what is left over is for the loop to settle.

The database may be away just now. Then the outcome is kept and tried again, as long as the session still holds all the
job wrote: the lease may run out meanwhile, and the claim decides. If the writes went down with a connection, nobody
knows whether the commit came through; the loop's settle finds that out, and the job runs again only if it did not.
"""

import threading

import structlog

from bookbot_worker.attempt import Attempt
from bookbot_worker.outcomes import Cancelled, LostClaim, Outcome
from bookbot_worker.queue.settle import settle_alone
from bookbot_worker.retry import outage_delay
from shared.outages import is_outage

log = structlog.get_logger()


def settle_with_writes(attempt: Attempt, outcome: Outcome, leaving: threading.Event) -> Outcome | None:
    """Settle the attempt together with what its session holds; None where that is done, else what is left to settle.

    A failure is settled with the next group, in a transaction that holds only the engine's own words, so that it
    cannot fail for the same reason. `leaving` ends the tries: the worker gives up.
    """
    tries = 0
    while True:
        try:
            settle_alone(attempt.unit, attempt.settlement(outcome))
        except LostClaim:
            return Cancelled()  # if it was cancelled meanwhile; where the claim is really lost, this changes nothing
        except Exception as error:  # noqa: BLE001 - whatever the job's writes make the database or a flush raise
            if not is_outage(error):
                return attempt.could_not_be_saved(error)
            if not attempt.unit.reopen():
                return attempt.interrupted(error)
        else:
            attempt.settled_as = outcome
            return None
        tries += 1
        log.warning("job.settle_delayed", job_id=attempt.job_id, tries=tries)
        if leaving.wait(outage_delay(tries)):
            return attempt.interrupted(ConnectionError("the worker was stopped while the database was away"))
