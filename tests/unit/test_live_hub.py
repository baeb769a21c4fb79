"""Who is told what: places in a log, bounded mailboxes, and the hub between the tail and the viewers."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bookbot_web.live.cursor import read_lists, read_place, write_place
from bookbot_web.live.events import Event, Lines, encode
from bookbot_web.live.hub import Hub
from bookbot_web.live.mailbox import Mailbox
from bookbot_web.live.watches import JobNews, ListNews
from shared.errors import InvalidInput
from shared.views.watching import BEGINNING, Position

pytestmark = pytest.mark.unit

CLAIM = "0b2b8a39-0f0c-4a53-8d5e-7c1f9a1c2d3e"
JOB = "01a21357-02da-75a4-9212-caed5da79f5f"


def line(seq: int, attempt: int = 1) -> dict[str, Any]:
    return {"job_id": JOB, "attempt": attempt, "seq": seq, "claim_id": CLAIM, "message": f"line {seq}\n\u2028"}


def place(seq: int) -> Position:
    return Position(1, seq, CLAIM)


def seqs(data: bytes) -> list[int]:
    """The numbers of the lines in the events of `data`."""
    told = [row.removeprefix("data: ") for row in data.decode().split("\n") if row.startswith("data: [")]
    return [one["seq"] for batch in told for one in json.loads(batch)]


def news(hub: Hub, first: int, last: int, *, is_over: bool = False) -> JobNews:
    (watch,) = hub.wanted().jobs
    items = [Lines.of([line(seq) for seq in range(first, last + 1)])]
    return JobNews(watch, items, place(last), (Event(b"state"),), is_over, has_more=False)


def opened(hub: Hub) -> Mailbox:
    mailbox = hub.open()
    assert mailbox is not None
    return mailbox


async def letters(mailbox: Mailbox) -> bytes:
    return b"".join(item.data for item in await mailbox.take(0.01))


def a_hub(most: int = 10) -> tuple[Hub, list[bool]]:
    wakes: list[bool] = []
    return Hub(most, lambda: wakes.append(True)), wakes


def in_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(test())

    run.__name__ = test.__name__
    return run


def test_a_cursor_comes_back_as_it_was() -> None:
    assert read_place("after", write_place(place(7))) == place(7)
    assert read_place("after", None) == read_place("after", "") == BEGINNING


@pytest.mark.parametrize(
    "given", ["1", "1.2", f"1.2.{CLAIM}.3", f"-1.2.{CLAIM}", "1.2.x" * 9, f"1.٢.{CLAIM}", "\0", "a" * 36]
)
def test_what_is_no_cursor_is_refused_by_name(given: str) -> None:
    for read in (read_place, read_lists):
        with pytest.raises(InvalidInput, match="after"):
            read("after", given)


def test_an_event_is_one_line_whatever_it_holds() -> None:
    told = encode("log", {"message": "a\nb\r\nevent: end\u2028\ud800"}, "7")
    assert told.count(b"\n") == 4
    assert told.startswith(b"id: 7\nevent: log\ndata: {")


def test_a_viewer_gets_the_part_of_a_batch_that_is_new_to_it() -> None:
    batch = Lines.of([line(seq) for seq in (4, 5, 6)])
    assert batch.beyond(place(3)) is batch.data
    assert seqs(batch.beyond(place(4))) == [5, 6]
    assert batch.beyond(place(6)) == b""


@in_a_loop
async def test_a_mailbox_that_is_full_ends_its_stream_and_says_why() -> None:
    mailbox = Mailbox(limit=10)
    for _ in range(3):
        mailbox.put(Event(b"12345"))
    assert mailbox.is_closed
    told = await letters(mailbox)
    assert b"12345" not in told
    assert told.startswith(b"event: reconnect\n")
    mailbox.put(Event(b"late"))
    assert not mailbox.has_more


@in_a_loop
async def test_one_event_larger_than_a_mailbox_passes_when_nothing_waits() -> None:
    mailbox = Mailbox(limit=10)
    mailbox.put(Event(b"x" * 100))
    assert await letters(mailbox) == b"x" * 100
    mailbox.put(Event(b"y" * 100))
    assert not mailbox.is_closed


@in_a_loop
async def test_a_late_viewer_reads_up_to_what_the_others_were_told_and_gets_the_rest() -> None:
    hub, wakes = a_hub()
    first, late = opened(hub), opened(hub)
    assert hub.watch_job(first, JOB, place(2)) == place(2)
    hub.tell([news(hub, 3, 5)])
    assert hub.watch_job(late, JOB, place(4)) == place(5)
    hub.tell([news(hub, 6, 7)])
    assert seqs(await letters(first)) == [3, 4, 5, 6, 7]
    told = await letters(late)
    assert told.startswith(b"state")
    assert seqs(told) == [6, 7]
    assert len(wakes) == 1


@in_a_loop
async def test_the_tail_looks_at_nothing_when_nobody_watches() -> None:
    hub, _ = a_hub()
    viewers = [opened(hub), opened(hub)]
    hub.watch_job(viewers[0], JOB, BEGINNING)
    hub.watch_lists(viewers[1], (("jobs",), None), None)
    assert hub.wanted()
    for viewer in viewers:
        hub.leave(viewer)
        hub.leave(viewer)
    assert not hub.wanted()
    assert hub.streams == 0


@in_a_loop
async def test_whoever_comes_after_the_end_watches_anew() -> None:
    hub, _ = a_hub()
    first, late = opened(hub), opened(hub)
    hub.watch_job(first, JOB, BEGINNING)
    hub.tell([news(hub, 1, 1, is_over=True)])
    assert first.is_closed
    hub.watch_job(late, JOB, place(1))
    assert not late.is_closed
    hub.leave(first)
    assert [watch.viewers for watch in hub.wanted().jobs] == [{late}]


@in_a_loop
async def test_there_is_room_for_so_many_streams_and_no_more() -> None:
    hub, _ = a_hub(most=2)
    one, two = opened(hub), opened(hub)
    assert hub.open() is None
    hub.leave(one)
    assert hub.open() is not None
    assert hub.open() is None
    hub.leave(two)


A, B = "a" * 16, "b" * 16


@pytest.mark.parametrize(
    ("known", "now", "told"),
    [
        (None, f"{A}-{A}", ("seen", ["jobs", "workers"])),
        (f"{A}-{A}", f"{A}-{A}", None),
        (f"{A}-{A}", f"{A}-{B}", ("changed", ["workers"])),
        (f"{A}-{A}", f"{B}-{B}", ("changed", ["jobs", "workers"])),
        (A, f"{A}-{B}", ("changed", ["jobs", "workers"])),
    ],
)
@pytest.mark.parametrize("comes_first", [True, False])
def test_a_viewer_of_lists_learns_what_differs_from_what_it_knew(
    known: str | None, now: str, told: tuple[str, list[str]] | None, comes_first: bool
) -> None:
    async def watch() -> None:
        hub, _ = a_hub()
        lists = (("jobs", "workers"), None)
        other, viewer = opened(hub), opened(hub)
        hub.watch_lists(other, lists, "c" * 16)
        (watched,) = hub.wanted().lists
        if comes_first:
            hub.watch_lists(viewer, lists, known)
        hub.tell([ListNews(watched, now)])
        if not comes_first:
            hub.watch_lists(viewer, lists, known)
        expected = b"" if told is None else encode(told[0], {"topics": told[1]}, now)
        assert await letters(viewer) == expected

    asyncio.run(watch())


@in_a_loop
async def test_trouble_is_told_once_to_all_and_to_those_who_come_meanwhile() -> None:
    hub, _ = a_hub()
    first, late = opened(hub), opened(hub)
    hub.watch_lists(first, (("jobs",), None), A)
    for _ in range(2):
        hub.tell_trouble("away")
    hub.watch_lists(late, (("jobs",), None), A)
    hub.tell_trouble(None)
    expected = encode("trouble", {"reason": "away"}) + encode("trouble", {"reason": None})
    assert await letters(first) == expected
    assert (await letters(late)).endswith(expected)


@in_a_loop
async def test_at_the_end_every_stream_says_goodbye_and_no_new_one_begins() -> None:
    hub, _ = a_hub()
    mailbox = opened(hub)
    cuts: list[bool] = []
    mailbox.cut = lambda: cuts.append(True)
    hub.close()
    assert (await letters(mailbox)).startswith(b"event: reconnect")
    assert hub.open() is None
    assert await hub.closes_within(60)
    hub.cut_all()
    assert cuts == [True]
