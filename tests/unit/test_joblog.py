"""The log of one attempt in memory: sealed, held, given back, numbered without a gap."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from bookbot_worker.telemetry.joblog import DatabaseTime, JobLog
from shared.ids import new_id

pytestmark = pytest.mark.unit


def an_empty_log() -> JobLog:
    return JobLog(new_id(), new_id(), 1, 0, DatabaseTime(datetime.now(UTC)))


@pytest.mark.parametrize("act", ["seal", "hold"])
def test_seal_and_hold_wait_for_lines_in_flight(act: str) -> None:
    log = an_empty_log()
    log.append("one", "INFO", None)
    taken = log.take()
    assert taken is not None
    log.append("two", "INFO", None)
    is_done = threading.Event()
    thread = threading.Thread(target=lambda: (getattr(log, act)(), is_done.set()))
    thread.start()
    assert not is_done.wait(0.2)
    log.stored(*taken, is_safe=False)
    assert is_done.wait(10)
    thread.join()
    assert log.take() is None
    assert [line.message for line in log.seal()] == ["one", "two"]


def test_lines_that_could_not_be_stored_come_back_in_order() -> None:
    log = an_empty_log()
    log.append("one", "INFO", None)
    taken = log.take()
    assert taken is not None
    log.append("two", "INFO", None)
    log.stored(*taken, is_safe=False)
    assert [line.message for line in log.seal()] == ["one", "two"]
    assert [line.seq for line in log.seal()] == [1, 2]


def test_a_sealed_log_takes_no_more_lines() -> None:
    log = an_empty_log()
    log.append("in time", "INFO", None)
    sealed = log.seal()
    assert log.append("too late", "INFO", None) is None
    assert ([line.message for line in sealed], log.count) == (["in time"], 1)


def test_lines_are_numbered_on_from_those_of_earlier_attempts() -> None:
    log = JobLog(new_id(), new_id(), 2, 7, DatabaseTime(None))
    assert not log.has_lines
    log.append("one", "INFO", None)
    assert (log.has_lines, log.count, log.seal()[0].seq) == (True, 8, 8)


def test_lines_carry_the_databases_time_whatever_this_machine_thinks_it_is() -> None:
    at_claim = datetime.now(UTC) - timedelta(days=400)
    log = JobLog(new_id(), new_id(), 1, 0, DatabaseTime(at_claim))
    line = log.append("one", "INFO", None)
    assert line is not None
    assert at_claim <= line.created_at < at_claim + timedelta(hours=1)
