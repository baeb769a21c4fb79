"""The log of one attempt: lines kept in memory until they are stored, live or with the final state.

`JobLog.append` is called by the job; the `LogWriter` stores lines while the job runs; settle seals the log and
stores the rest in its own transaction. So a running job's lines are visible within half a second, and a
terminal job is never visible without all of them. Nothing here decides anything about the job.
"""

import contextlib
import json
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bookbot_worker.failure_text import readable
from bookbot_worker.telemetry.live_text import LiveText
from shared.text import check_json, clean

LINE_LIMIT = 8 * 1024
"""Characters kept of one line."""

LEVEL_LIMIT = 16
"""Characters kept of a level, which is usually one of INFO, WARNING and ERROR."""

LINES_LIMIT = 10_000
"""Lines kept of one attempt; one more says that the rest was left out."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line, ready to be stored."""

    job_id: str
    claim_id: str
    attempt: int
    seq: int
    level: str
    message: str
    props: dict[str, Any] | None
    created_at: datetime

    def row(self) -> dict[str, Any]:
        """The columns of `job_logs`."""
        return {
            "job_id": self.job_id,
            "claim_id": self.claim_id,
            "attempt": self.attempt,
            "seq": self.seq,
            "level": self.level,
            "message": self.message,
            "props": self.props,
            "created_at": self.created_at,
        }


class DatabaseTime:
    """The database's clock, as it was at the claim and carried on by a clock of this machine that never jumps.

    So a log line stands where it belongs between `started_at` and `completed_at`, whatever time this machine thinks
    it is.
    """

    def __init__(self, at_claim: datetime | None) -> None:
        self._at_claim = at_claim or datetime.now(UTC)
        self._noted = time.monotonic()

    def now(self) -> datetime:
        """The instant, to within the time the claim's answer took to arrive."""
        return self._at_claim + timedelta(seconds=time.monotonic() - self._noted)


class JobLog:
    """The lines of one claim, numbered from `log_count + 1`. Safe to use from many threads."""

    def __init__(self, job_id: str, claim_id: str, attempt: int, log_count: int, clock: DatabaseTime) -> None:
        self.job_id = job_id
        self.claim_id = claim_id
        self._attempt = attempt
        self._clock = clock
        self._first = log_count
        self._last = log_count
        self._lines: list[LogLine] = []
        self._free = threading.Condition()
        self._in_flight = False
        self._is_held = False
        self._is_sealed = False
        self.progress: tuple[float, str | None] | None = None
        self._stored_progress: tuple[float, str | None] | None = None
        self.live_text: LiveText | None = None

    @property
    def count(self) -> int:
        """The number of the last line."""
        return self._last

    @property
    def has_lines(self) -> bool:
        """Whether this claim has any."""
        return self._last != self._first

    @property
    def written(self) -> int:
        """How many lines this claim has added."""
        return self._last - self._first

    def append(self, message: str, level: str, props: dict[str, Any] | None) -> LogLine | None:
        """Add a line and return it, what no database can store replaced. None after the seal and past the limit."""
        kept = storable(props) if props else None
        with self._free:
            written = self._last - self._first
            if self._is_sealed or written > LINES_LIMIT:
                return None
            if written == LINES_LIMIT:
                message, level, kept = f"more than {LINES_LIMIT} lines; the rest is left out", "WARNING", None
            return self._add(message, level, kept)

    def append_last(self, message: str, level: str) -> None:
        """Add the engine's own last line, even to a sealed log: why settling it did not work."""
        with self._free:
            self._add(message, level, None)

    def _add(self, message: str, level: str, props: dict[str, Any] | None) -> LogLine:
        level, message = clean(level[:LEVEL_LIMIT], LEVEL_LIMIT), clean(message, LINE_LIMIT)
        line = LogLine(
            self.job_id, self.claim_id, self._attempt, self._last + 1, level, message, props, self._clock.now()
        )
        self._last += 1
        self._lines.append(line)
        return line

    def report(self, fraction: float, message: str) -> None:
        """Remember how far the job is; the last report is stored with the lines."""
        bounded = min(max(float(fraction), 0.0), 1.0) if fraction == fraction else 0.0
        self.progress = (bounded, clean(message, 500) or None)

    def has_news(self) -> bool:
        """Whether there is something to store."""
        is_told = self.live_text is not None and self.live_text.has_news()
        return is_told or bool(self._lines) or self.progress != self._stored_progress

    def listen(self) -> LiveText:
        """Another answer of an LLM begins; what it says is stored with the lines, as long as it comes."""
        if self.live_text is None:
            self.live_text = LiveText(self.job_id, self.claim_id)
        self.live_text.turn()
        return self.live_text

    def take(self) -> tuple[list[LogLine], tuple[float, str | None] | None] | None:
        """Lines and progress to store now, to be answered by `stored`; None where nothing may be taken."""
        with self._free:
            if self._is_held or self._is_sealed or self._in_flight or not self.has_news():
                return None
            self._in_flight = True
            lines, self._lines = self._lines, []
            return lines, self.progress if self.progress != self._stored_progress else None

    def stored(self, lines: list[LogLine], progress: tuple[float, str | None] | None, *, is_safe: bool) -> None:
        """Answer to `take`: the lines are in the database, or come back to be stored later."""
        with self._free:
            if not is_safe:
                self._lines = lines + self._lines
            else:
                self._stored_progress = progress or self._stored_progress
                if self.live_text is not None:
                    self.live_text.stored()
            self._in_flight = False
            self._free.notify_all()

    def hold(self) -> None:
        """Store nothing live from now on: on SQLite the job itself has become the writer."""
        with self._free:
            self._is_held = True
            self._free.wait_for(lambda: not self._in_flight)

    def seal(self) -> list[LogLine]:
        """Accept no more lines; wait for those in flight; return those not stored yet."""
        with self._free:
            self._is_sealed = True
            self._free.wait_for(lambda: not self._in_flight)
            return self._lines


def json_copy(value: object) -> dict[str, Any] | None:
    """A copy of the JSON object `value`, because job code may change it before it is stored; None if it is none.

    Never raises, though looking at it may run job code (a subclass of dict).
    """
    with contextlib.suppress(BaseException):
        if isinstance(value, dict):
            return dict(json.loads(json.dumps(check_json("value", value))))
    return None


def as_text(value: object) -> dict[str, Any]:
    """What is kept of a value that is no JSON object: its readable form."""
    return {"unreadable": readable(value, 1000)}


def storable(value: object) -> dict[str, Any]:
    """A copy of the JSON object `value`; of anything else its text."""
    copy = json_copy(value)
    return as_text(value) if copy is None else copy
