"""Ends that are not the job's own words: of an attempt that was given up, and what the log says of every end."""

from datetime import timedelta

import structlog

from bookbot_worker.attempt import Attempt
from bookbot_worker.cancellation import StopReason
from bookbot_worker.failure_text import why_not_saved
from bookbot_worker.outcomes import Cancelled, Errored, Outcome, Postponed
from bookbot_worker.queue.group import Settled

log = structlog.get_logger()

NOT_OURS = Postponed(timedelta(0), "its claim was lost", returns_attempt=True)
"""Written nowhere: the claim it would be written under is gone."""


def without_its_work(attempt: Attempt) -> Outcome:
    """What an attempt ends in that did not stop when it was asked to."""
    match attempt.stop.reason:
        case StopReason.CANCEL:
            return Cancelled()
        case StopReason.TIMEOUT:
            return Errored(f"{attempt.timed_out} It did not stop when it was asked to, and was given up.")
        case _:
            return NOT_OURS


def report(attempt: Attempt, outcome: Outcome, group: Settled) -> None:
    """Say in the log how the attempt ended, where that is news."""
    if (error := group.refused.get(attempt.job_id)) is not None:
        log.error("job.unsettled", job_id=attempt.job_id, reason=why_not_saved(error))
    elif attempt.job_id in group.confirmed:
        log.info("job.commit_confirmed", job_id=attempt.job_id)
    elif attempt.job_id not in group.settled:
        log.warning("job.lost_claim", job_id=attempt.job_id)
    elif isinstance(outcome, Errored):
        log.warning("job.settled", job_id=attempt.job_id, state="error", error=outcome.message)
