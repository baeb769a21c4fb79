"""Server-Sent Events as bytes (WHATWG HTML, section 9.2). Written once, however many viewers they are sent to."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bookbot_web.live.cursor import write_place
from shared.views import jsonable
from shared.views.watching import Position, place_of

BEAT = b": still here\n\n"
"""A comment, so that proxies and clients see that the stream lives."""


@dataclass(frozen=True, slots=True)
class Event:
    """What every viewer is sent alike."""

    data: bytes

    def beyond(self, place: Position) -> bytes:  # noqa: ARG002 - as in Lines
        """The bytes for a viewer who has the log up to `place`."""
        return self.data


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of a log, in reading order. A viewer who has some of them is sent the others."""

    lines: Sequence[dict[str, Any]]
    data: bytes

    @classmethod
    def of(cls, lines: Sequence[dict[str, Any]]) -> "Lines":
        """The event of these lines, at least one."""
        return cls(lines, log_event(lines))

    @property
    def end(self) -> Position:
        """The place after the last one."""
        return place_of(self.lines[-1])

    def beyond(self, place: Position) -> bytes:
        """The bytes for a viewer who has the log up to `place`."""
        if place_of(self.lines[0]) > place:
            return self.data
        rest = [line for line in self.lines if place_of(line) > place]
        return log_event(rest) if rest else b""


Item = Event | Lines


def encode(name: str, data: Any, ident: str | None = None) -> bytes:
    """One event. JSON has no line ends of its own, so the data is one line."""
    head = f"id: {ident}\n" if ident else ""
    told = json.dumps(jsonable(data), ensure_ascii=False, separators=(",", ":"))
    return f"{head}event: {name}\ndata: {told}\n\n".encode(errors="replace")


def log_event(lines: Sequence[dict[str, Any]]) -> bytes:
    """The event `log`; its id is the cursor after the last line."""
    told = [{name: value for name, value in line.items() if name != "job_id"} for line in lines]
    return encode("log", told, write_place(place_of(lines[-1])))


def welcome() -> bytes:
    """The first bytes: how soon to come back after an interruption, and something to flush the headers with."""
    return b"retry: 1000\n: welcome\n\n"


def farewell(reason: str) -> bytes:
    """The last event of a stream that goes on elsewhere: connect again, with the last id."""
    return encode("reconnect", {"reason": reason})


def trouble(reason: str | None) -> bytes:
    """The database does not answer, or (None) does again."""
    return encode("trouble", {"reason": reason})
