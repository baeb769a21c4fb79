"""One attempt of one job, from its row to an Outcome. Never raises, never touches the queue.

Everything job code can do wrong ends here: any exception (BaseException too), any return value, a broken
golden rule that was swallowed, a transaction that was lost. Texts are made storable, because a failure that
cannot be recorded looks like a job that hangs.
"""

import os
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from bookbot_worker.attempt import Attempt, AttemptContext
from bookbot_worker.cancellation import StopReason
from bookbot_worker.failpoints import reach
from bookbot_worker.failure_text import MESSAGE_LIMIT, describe, format_trace, readable
from bookbot_worker.outcomes import (
    AwaitJobs,
    Cancelled,
    Completed,
    Errored,
    Failed,
    GoldenRuleViolation,
    JobCancelled,
    Outcome,
    Postponed,
    Retry,
    Snooze,
    keeps_writes,
)
from bookbot_worker.process_identity import own_pid
from bookbot_worker.retry import after_retry
from bookbot_worker.telemetry.joblog import as_text, json_copy
from shared.errors import BookbotError
from shared.outages import is_outage
from shared.text import clean


def execute(attempt: Attempt) -> Outcome:
    """Run the job class once and say how it ended."""
    reach("run.enter")
    with attempt.unit.in_force():
        try:
            returned = _run(attempt)
            outcome = _of_return_value(returned, attempt)
        except BaseException as error:  # noqa: BLE001 - the boundary: whatever job code raises becomes an outcome
            outcome = _of_exception(error, attempt)
    _leave_if_this_is_a_copy(attempt)
    reach("run.left")
    outcome = _unless_rule_was_broken(outcome, attempt)
    if keeps_writes(outcome) or isinstance(outcome, Failed):
        _keep_result(attempt)
    if isinstance(outcome, Errored):
        attempt.add_line(outcome.message, "ERROR")
    return outcome


def _leave_if_this_is_a_copy(attempt: Attempt) -> None:
    """Job code has forked, and this is the child: what it would send goes over its parent's connections."""
    if own_pid() != attempt.pid:
        os._exit(0)


def _run(attempt: Attempt) -> object:
    """Validate the props, build the job object, execute it."""
    props = attempt.job_type.validate(attempt.job.props)
    context = AttemptContext(attempt, props)
    job = attempt.job_class(attempt.job, context)
    return job.execute()


def _of_return_value(returned: object, attempt: Attempt) -> Outcome:
    if returned is True:
        return Completed()
    if returned is False:
        given = attempt.job.error_message
        return Failed(clean(str(given), MESSAGE_LIMIT) if given else "The job reported a failure without saying why.")
    return Errored(f"execute() must return True or False; it returned {readable(returned, 200)}")


def _keep_result(attempt: Attempt) -> None:
    """Take what the job left in `self.job.result`; read past the ORM, which may have let go of the row."""
    given = vars(attempt.job).get("result")
    if given is None:
        return
    attempt.result = json_copy(given)
    if attempt.result is None:
        attempt.result = as_text(given)
        attempt.add_line("self.job.result is not a JSON object of at most 64 KiB; its text is kept instead", "WARNING")


def _of_exception(error: BaseException, attempt: Attempt) -> Outcome:
    match error:
        case JobCancelled():
            return _of_stop(attempt)
        case AwaitJobs():
            return Postponed(
                timedelta(0), describe(error), returns_attempt=True, keeps_writes=True, awaits=error.job_ids
            )
        case Snooze():
            return Postponed(error.after, describe(error), returns_attempt=True)
        case Retry():
            return after_retry(
                describe(error),
                error.after,
                attempt=attempt.number,
                max_attempts=attempt.max_attempts,
                policy=attempt.job_type.retry,
                trace=format_trace(error),
            )
        case SQLAlchemyError() if is_outage(error):
            return attempt.interrupted(error)
        case GoldenRuleViolation() | BookbotError():
            return Errored(describe(error), format_trace(error))
        case _:
            return Errored(f"{type(error).__name__}: {describe(error)}".removesuffix(": "), format_trace(error))


def _of_stop(attempt: Attempt) -> Outcome:
    match attempt.stop.reason:
        case StopReason.CANCEL:
            return Cancelled()
        case StopReason.SHUTDOWN:
            return Postponed(timedelta(0), "the worker was shut down", returns_attempt=True)
        case StopReason.TIMEOUT:
            return Errored(attempt.timed_out)
        case StopReason.LOST:
            return Postponed(timedelta(0), "its claim was lost", returns_attempt=True)
        case None:
            return Errored("the job raised JobCancelled, but nobody had asked it to stop")


def _unless_rule_was_broken(outcome: Outcome, attempt: Attempt) -> Outcome:
    """A swallowed violation, or a transaction that is gone, leaves nothing to complete."""
    rule = attempt.unit.rule
    if rule.violation is not None:
        return outcome if isinstance(outcome, Errored) else Errored(str(rule.violation))
    if isinstance(outcome, Postponed) and outcome.is_interruption:
        return outcome
    if rule.lost_transaction and not isinstance(outcome, Errored | Failed | Cancelled):
        return Errored(f"{rule.lost_transaction}; its writes are gone, so it cannot complete")
    return outcome
