"""What is being watched, and the news about it. A watch is shared by all who watch the same.

Each attribute belongs to one side: the tail's thread, which reads, or the event loop, which tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bookbot_web.live.events import Item
from bookbot_web.live.mailbox import Mailbox
from shared.views.watching import Position


@dataclass(slots=True, eq=False)
class JobWatch:
    """One job. `place` is how far the tail has read its log, `told` how far the viewers have been told."""

    job_id: str
    # Of the tail.
    place: Position
    state: dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    changed_at: float = 0.0
    # Of the event loop.
    told: Position | None = None
    viewers: set[Mailbox] = field(default_factory=set)
    greeting: tuple[Item, ...] = ()


@dataclass(slots=True, eq=False)
class ListWatch:
    """Some topics, perhaps of one book. `cursor` is what they looked like when the tail read them."""

    topics: tuple[str, ...]
    book_id: str | None
    # Of the tail.
    cursor: str | None = None
    # Of the event loop.
    told: str | None = None
    viewers: set[Mailbox] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class JobNews:
    """`greeting` is what a viewer who comes later is sent first; `is_over`: nothing more will come; `has_more`: there
    are lines beyond those of this look.
    """

    watch: JobWatch
    items: Sequence[Item]
    place: Position
    greeting: tuple[Item, ...]
    is_over: bool
    has_more: bool


@dataclass(frozen=True, slots=True)
class ListNews:
    """The lists look different from before, or are seen for the first time: `cursor` is what they look like."""

    watch: ListWatch
    cursor: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the tail shall look at."""

    jobs: Sequence[JobWatch]
    lists: Sequence[ListWatch]

    def __bool__(self) -> bool:
        return bool(self.jobs or self.lists)
