"""Places where a test can make this process die, stop, hang or fail: the steps of claim, execute and settle.

Nothing happens unless BOOKBOT_TEST_FAILPOINT is set when the process starts, to `NAME:ACTION` or `NAME:ACTION:N` (at
the N-th time, from 1). Actions: kill (SIGKILL), stop (SIGSTOP), exit (os._exit(0)), hang (for ever), raise.
"""

import os
import signal
import threading

VARIABLE = "BOOKBOT_TEST_FAILPOINT"

NAMES = (
    "claim.sent",
    "claim.committed",
    "run.enter",
    "llm.sent",
    "llm.answered",
    "llm.kept",
    "run.left",
    "settle.begin",
    "settle.state",
    "settle.flushed",
    "settle.logs",
    "settle.locks",
    "settle.commit_sent",
    "settle.acked",
    "release.sent",
    "rescue.locked",
    "beat.sent",
    "tick.sent",
)


class FailpointReached(RuntimeError):
    """What the action `raise` raises."""


class _Failpoint:
    def __init__(self, setting: str) -> None:
        name, _, rest = setting.partition(":")
        action, _, number = rest.partition(":")
        if name not in NAMES or action not in _ACTIONS or not (number or "1").isdecimal():
            raise ValueError(f"{VARIABLE}: {setting!r} is not NAME:ACTION[:N]")
        self.name = name
        self._act = _ACTIONS[action]
        self._left = int(number or 1)
        self._lock = threading.Lock()

    def pass_by(self) -> None:
        with self._lock:
            self._left -= 1
            is_due = self._left == 0
        if is_due:
            self._act()


def _hang() -> None:
    lock = threading.Lock()
    with lock, lock:
        """Nobody lets go of it."""


def _fail() -> None:
    raise FailpointReached("a failpoint was reached")


_ACTIONS = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    # To this very thread: of a process the main thread is stopped first, and this one may go on for a moment.
    "stop": lambda: signal.pthread_kill(threading.get_ident(), signal.SIGSTOP),
    "exit": lambda: os._exit(0),
    "hang": _hang,
    "raise": _fail,
}

_set = _Failpoint(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def reach(name: str) -> None:
    """The process has come to this place. Without the variable: one comparison (30 ns)."""
    if _set is not None and _set.name == name:
        _set.pass_by()
