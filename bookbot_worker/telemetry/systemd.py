"""What a worker tells systemd: that it is ready, what it does, that its loop still turns, that it is leaving.

Owns the protocol of sd_notify(3), which is one datagram, and what is said when. It has no thread: it speaks only when
the loop has turned, so that a loop that hangs says nothing, and the watchdog of the unit ends the process. It decides
nothing else, and does nothing where no NOTIFY_SOCKET is given.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable

from bookbot_worker.condition import Condition
from shared.text import visible

INTERVAL = 1.0
"""Seconds between two messages, however fast the loop turns; less where the watchdog is that impatient."""

LONGEST_SLEEP = 20.0
"""Seconds the loop may sleep: systemd has to hear of it while it drains, also where no watchdog is set."""

LEAVING = 60.0
"""Seconds from the last turn of the loop to the end of the process: giving jobs back, closing what is open."""

LONGEST_STATUS = 200


def tell_systemd(condition: Condition) -> None:
    """From now on systemd hears how the worker does, if systemd runs it and asks for that (`Type=notify`).

    Children must not speak for the worker, so the variables that invite to it leave the environment.
    """
    address = os.environ.pop("NOTIFY_SOCKET", "")
    watchdog = _watchdog_seconds(os.environ.pop("WATCHDOG_USEC", ""), os.environ.pop("WATCHDOG_PID", ""))
    if address.startswith(("/", "@")):
        condition.longest_sleep = min(LONGEST_SLEEP, watchdog / 3)
        condition.on_turn = Notices(condition, _sender(address), min(INTERVAL, watchdog / 3)).turned


class Notices:
    """Says what is new after a turn of the loop, at most once in `interval` seconds; at once that it is ready or stops.

    Ready is a worker that has no trouble after a turn: the schema fits, a beat has arrived, and it has looked for jobs.
    """

    def __init__(
        self,
        condition: Condition,
        send: Callable[[str], None],
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._condition = condition
        self._send = send
        self._interval = interval
        self._clock = clock
        self._next = 0.0
        self._is_ready = False
        self._is_stopping = False
        self._status = ""

    def turned(self) -> None:
        """The loop has come round."""
        condition, now = self._condition, self._clock()
        begins_to_stop = condition.is_draining and not self._is_stopping
        is_ready_now = not self._is_ready and not condition.is_draining and condition.trouble() is None
        if now < self._next and not begins_to_stop and not is_ready_now:
            return
        self._next = now + self._interval
        lines = ["WATCHDOG=1"]
        if is_ready_now:
            self._is_ready = True
            lines.append("READY=1")
        if begins_to_stop:
            self._is_stopping = True
            lines.append("STOPPING=1")
        if condition.is_draining:
            lines.append(f"EXTEND_TIMEOUT_USEC={round((condition.stuck_after + LEAVING) * 1e6)}")
        if (status := describe(condition)) != self._status:
            self._status = status
            lines.append(f"STATUS={status}")
        self._send("\n".join(lines))


def describe(condition: Condition) -> str:
    """What `systemctl status` shows, in one line."""
    jobs = f"{condition.busy} of {condition.slots} slots at work"
    words = jobs if condition.state == "running" else f"{condition.state}, {jobs}"
    if (trouble := condition.trouble()) is not None:
        words = f"{trouble}; {words}"
    return " ".join(visible(words).split())[:LONGEST_STATUS]


def _sender(address: str) -> Callable[[str], None]:
    """Sends to a path or, after an @, to an abstract name. A manager that does not listen must not hurt the worker."""
    target = f"\0{address[1:]}" if address.startswith("@") else address

    def send(message: str) -> None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.setblocking(False)
            connection.sendto(message.encode(), target)

    return send


def _watchdog_seconds(microseconds: str, pid: str) -> float:
    """How long systemd waits for a sign of life; infinite where it does not, or waits for another process."""
    if not microseconds.isdecimal() or not int(microseconds) or (pid and pid != str(os.getpid())):
        return float("inf")
    return int(microseconds) / 1e6
