"""The tail in this process: hints, its one connection, and looks that go wrong."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bookbot_web.database import Database
from bookbot_web.live import tail
from bookbot_web.live.mailbox import Mailbox
from bookbot_web.live.service import Live
from shared.database import make_engine
from shared.enqueue import create_job
from shared.settings import Settings
from shared.views.watching import BEGINNING

pytestmark = pytest.mark.integration

JOBS = (("jobs",), None)


@asynccontextmanager
async def following(settings: Settings) -> AsyncIterator[Live]:
    """The live part of an application, at work."""
    database = Database(settings)
    live = Live(settings, database)
    live.start()
    try:
        yield live
    finally:
        live.close()
        live.stop()
        database.close()


def viewer(live: Live) -> Mailbox:
    mailbox = live.hub.open()
    assert mailbox is not None
    live.hub.watch_lists(mailbox, JOBS, None)
    return mailbox


async def next_event(mailbox: Mailbox) -> str:
    """The name of the next event; fails where none comes."""
    items = await mailbox.take(30)
    names = [line.removeprefix(b"event: ") for line in items[0].data.split(b"\n") if line.startswith(b"event: ")]
    return names[0].decode()


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.02)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def enqueue(engine: Engine) -> str:
    with Session(engine) as session:
        job_id = create_job(job_type="demo", session=session).job_id
        session.commit()
        return job_id


def tails(engine: Engine) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bookbot-web-tail'"
    with engine.connect() as connection:
        return int(connection.exec_driver_sql(f"{query} AND datname = current_database()").scalar() or 0)


def test_a_hint_of_the_database_is_enough(settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "LOOK_SECONDS", 3600.0)
    monkeypatch.setattr(tail, "OTHERS_SECONDS", 3600.0)

    async def watch() -> None:
        async with following(settings) as live:
            mailbox = viewer(live)
            assert await next_event(mailbox) == "seen"
            for _ in range(2):
                await asyncio.to_thread(enqueue, engine)
                assert await next_event(mailbox) == "changed"

    run(watch)


def test_a_viewer_who_comes_is_not_kept_waiting_for_the_next_look(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "LOOK_SECONDS", 3600.0)
    monkeypatch.setattr(tail, "OTHERS_SECONDS", 3600.0)
    job_id = enqueue(engine)

    async def watch() -> None:
        async with following(settings) as live:
            assert await next_event(viewer(live)) == "seen"
            other = live.hub.open()
            assert other is not None
            live.hub.watch_job(other, job_id, BEGINNING)
            assert await next_event(other) == "state"

    run(watch)


def test_the_connection_is_held_while_somebody_watches_and_given_up_afterwards(
    postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "IDLE_SECONDS", 0.05)
    engine = make_engine(postgres_settings)

    async def watch() -> None:
        async with following(postgres_settings) as live:
            assert tails(engine) == 0
            for _ in range(2):
                mailboxes = [viewer(live) for _ in range(20)]
                assert [await next_event(mailbox) for mailbox in mailboxes] == ["seen"] * 20
                assert tails(engine) == 1
                for mailbox in mailboxes:
                    live.hub.leave(mailbox)
                await until(lambda: tails(engine) == 0)
        await until(lambda: tails(engine) == 0)

    run(watch)
    engine.dispose()


def test_a_look_that_fails_by_our_own_fault_is_told_as_trouble_and_tried_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    really = tail.look_at_lists
    faults = [RuntimeError("a fault of ours")]

    def look(*arguments: Any) -> Any:
        if faults:
            raise faults.pop()
        return really(*arguments)

    monkeypatch.setattr(tail, "look_at_lists", look)

    async def watch() -> None:
        async with following(settings) as live:
            mailbox = viewer(live)
            told = b""
            while b"event: seen" not in told:
                told += b"".join(item.data for item in await mailbox.take(30))
            assert re.findall(rb"event: (\w+)", told) == [b"trouble", b"trouble", b"seen"]

    run(watch)
    assert "a fault of ours" in caplog.text
