"""Who watches what, and who is told what: the meeting place of the tail and the streams.

Belongs to the event loop, but for `wanted`, which the tail's thread asks. It never waits and never reads the database.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache

from bookbot_web.live.events import Event, encode, farewell, trouble
from bookbot_web.live.mailbox import Mailbox
from bookbot_web.live.watches import JobNews, JobWatch, ListNews, ListWatch, Wanted
from shared.views.watching import Position

RESTART = "this server is being restarted; connect again"

Lists = tuple[tuple[str, ...], str | None]
"""Topics in order, and the book they are about, if any."""


class Hub:
    """The viewers of one process. `wake` is called when the tail has something new to look at."""

    def __init__(self, most: int, wake: Callable[[], None]) -> None:
        self._most = most
        self._wake = wake
        self._lock = threading.Lock()  # of the two dictionaries: `wanted` reads them
        self._jobs: dict[str, JobWatch] = {}
        self._lists: dict[Lists, ListWatch] = {}
        self._viewers: dict[Mailbox, JobWatch | ListWatch | None] = {}
        self._trouble: str | None = None
        self._closing = asyncio.Event()

    @property
    def streams(self) -> int:
        """How many are open."""
        return len(self._viewers)

    # Viewers

    def open(self) -> Mailbox | None:
        """The mailbox of a new viewer, who watches nothing yet; None where there are too many already."""
        if self._closing.is_set() or len(self._viewers) >= self._most:
            return None
        mailbox = Mailbox()
        self._viewers[mailbox] = None
        return mailbox

    def watch_job(self, mailbox: Mailbox, job_id: str, place: Position) -> Position:
        """Tell this viewer about the job from now on. Returns how far the others have been told of its log.

        The viewer has read the log up to `place`; where that is less, it must read up to the place returned itself:
        the mailbox gets what comes after that.
        """
        with self._lock:
            watch = self._jobs.get(job_id)
            if watch is None:
                watch = self._jobs[job_id] = JobWatch(job_id, place, told=place)
                self._wake()
        self._enter(mailbox, watch)
        for item in watch.greeting:
            mailbox.put(item)
        return watch.told or place

    def watch_lists(self, mailbox: Mailbox, lists: Lists, cursor: str | None) -> None:
        """Tell this viewer when the lists look different from `cursor` (None: from what they look like now)."""
        with self._lock:
            watch = self._lists.get(lists)
            if watch is None:
                watch = self._lists[lists] = ListWatch(*lists)
                self._wake()
        mailbox.cursor = cursor
        self._enter(mailbox, watch)
        if watch.told is not None:
            _tell_of_lists(mailbox, watch.topics, watch.told)

    def leave(self, mailbox: Mailbox) -> None:
        """The viewer is gone. Calling it again changes nothing."""
        watch = self._viewers.pop(mailbox, None)
        if watch is None:
            return
        watch.viewers.discard(mailbox)
        if not watch.viewers:
            self._forget(watch)

    def close(self) -> None:
        """The process ends: every stream says so, and ends too."""
        self._closing.set()
        for mailbox in list(self._viewers):
            mailbox.close(farewell(RESTART))

    async def closes_within(self, seconds: float) -> bool:
        """A pause that ends early where the process ends; returns whether it does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        return self._closing.is_set()

    def cut_all(self) -> None:
        """Break off the streams that are still open: their clients do not read."""
        for mailbox in list(self._viewers):
            mailbox.cut()

    # The tail

    def wanted(self) -> Wanted:
        """What is being watched now. From any thread."""
        with self._lock:
            return Wanted(tuple(self._jobs.values()), tuple(self._lists.values()))

    def tell(self, news: Sequence[JobNews | ListNews]) -> None:
        """Pass on what the tail has seen."""
        for one in news:
            if isinstance(one, JobNews):
                self._tell_of_job(one)
            else:
                one.watch.told = one.cursor
                for mailbox in one.watch.viewers:
                    _tell_of_lists(mailbox, one.watch.topics, one.cursor)

    def tell_trouble(self, reason: str | None) -> None:
        """The database does not answer, or (None) does again."""
        if reason != self._trouble:
            self._trouble = reason
            event = Event(trouble(reason))
            for mailbox in self._viewers:
                mailbox.put(event)

    def _tell_of_job(self, news: JobNews) -> None:
        watch = news.watch
        watch.told = news.place
        watch.greeting = news.greeting or watch.greeting
        for item in news.items:
            for mailbox in watch.viewers:
                mailbox.put(item)
        if news.is_over:  # whoever comes later, perhaps after a retry, watches anew
            self._forget(watch)
            for mailbox in watch.viewers:
                mailbox.close(b"")

    def _enter(self, mailbox: Mailbox, watch: JobWatch | ListWatch) -> None:
        watch.viewers.add(mailbox)
        self._viewers[mailbox] = watch
        if self._trouble is not None:
            mailbox.put(Event(trouble(self._trouble)))

    def _forget(self, watch: JobWatch | ListWatch) -> None:
        with self._lock:
            if isinstance(watch, JobWatch):
                if self._jobs.get(watch.job_id) is watch:
                    del self._jobs[watch.job_id]
            elif self._lists.get((watch.topics, watch.book_id)) is watch:
                del self._lists[watch.topics, watch.book_id]


def _tell_of_lists(mailbox: Mailbox, topics: Sequence[str], cursor: str) -> None:
    """`changed` says which topics look different from what this viewer knew, `seen` what they look like."""
    known, mailbox.cursor = mailbox.cursor, cursor
    if known is None:
        mailbox.put(Event(encode("seen", {"topics": list(topics)}, cursor)))
    elif known != cursor:
        mailbox.put(Event(_changed(known, cursor, tuple(topics))))


@lru_cache(maxsize=64)
def _changed(known: str, cursor: str, topics: tuple[str, ...]) -> bytes:
    """Written once for all viewers who knew the same."""
    before, now = known.split("-"), cursor.split("-")
    is_alike = len(before) == len(now)
    changed = [topic for at, topic in enumerate(topics) if not is_alike or before[at] != now[at]]
    return encode("changed", {"topics": changed}, cursor)
