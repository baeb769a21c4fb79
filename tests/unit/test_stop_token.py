"""The token: the first reason counts, and a wait that cannot look at it is closed from outside."""

import contextlib
import socket
import threading
from datetime import timedelta

import pytest
import structlog

from bookbot_worker.cancellation import StopReason, StopToken
from bookbot_worker.outcomes import JobCancelled
from tests.support.running import eventually

pytestmark = pytest.mark.unit


def test_the_first_reason_counts() -> None:
    token = StopToken()
    token.fire(StopReason.TIMEOUT)
    fired_at = token.fired_at
    token.fire(StopReason.CANCEL)
    assert (token.reason, token.fired_at) == (StopReason.TIMEOUT, fired_at)
    with pytest.raises(JobCancelled, match="timeout"):
        token.check()


def test_firing_ends_a_wait_for_a_socket() -> None:
    ours, theirs = socket.socketpair()
    token = StopToken()
    ended: list[type[BaseException]] = []

    def read() -> None:
        try:
            with token.closing(lambda: ours.shutdown(socket.SHUT_RDWR)):
                if not ours.recv(1):
                    raise ConnectionError("the stream ended early")
        except BaseException as error:  # noqa: BLE001 - this is what the test is about
            ended.append(type(error))

    reading = threading.Thread(target=read)
    reading.start()
    eventually(lambda: token._closers)
    token.fire(StopReason.CANCEL)
    reading.join(20)
    assert ended == [JobCancelled]
    ours.close()
    theirs.close()


def test_nothing_is_closed_after_the_block_nor_begun_after_the_firing() -> None:
    token = StopToken()
    closed: list[str] = []
    with token.closing(lambda: closed.append("closed")):
        pass
    token.fire(StopReason.CANCEL)
    with pytest.raises(JobCancelled), token.closing(lambda: closed.append("closed")):
        raise AssertionError("not reached")
    with pytest.raises(JobCancelled):
        token.wait(timedelta(seconds=60))
    assert closed == []


def test_an_error_of_the_block_s_own_stays_what_it_is() -> None:
    with pytest.raises(ValueError, match="its own"), StopToken().closing(lambda: None):
        raise ValueError("its own")


def test_closing_that_fails_or_blocks_holds_nobody_up() -> None:
    token = StopToken()
    hold = threading.Event()

    def fails() -> None:
        raise RuntimeError("cannot be closed")

    with structlog.testing.capture_logs() as seen:
        with contextlib.suppress(JobCancelled), token.closing(fails), token.closing(hold.wait):
            token.fire(StopReason.SHUTDOWN)
        assert token.reason is StopReason.SHUTDOWN
        eventually(lambda: seen)
    assert seen == [{"event": "job.closer_failed", "error": "RuntimeError", "log_level": "warning"}]
    hold.set()
