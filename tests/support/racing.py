"""Acts that begin at the same moment, each in a thread of its own; what they do, and what must hold after them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event, func, select
from sqlalchemy.orm import Session

from shared.control import cancel_job
from shared.models import Book
from shared.states import JobState
from tests.support.running import row


def race(*acts: Callable[[], Any], seconds: float = 60.0) -> list[Any]:
    """What each act returned, or the exception it raised. Fails where one of them never ends: a deadlock."""
    start = threading.Barrier(len(acts))
    ended: list[Any] = [None] * len(acts)

    def run(number: int) -> None:
        try:
            start.wait(seconds)
            ended[number] = acts[number]()
        except Exception as error:  # noqa: BLE001 - looked at by the test
            ended[number] = error

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
    assert not any(thread.is_alive() for thread in threads), "somebody waits for ever"
    return ended


def cancel(engine: Engine, job_id: str) -> JobState:
    """Cancel the job in a transaction of its own."""
    with Session(engine) as session, session.begin():
        return cancel_job(job_id, session=session)


def check_end(engine: Engine, job_id: str, state: str) -> None:
    """The job has ended so, and nobody holds a book."""
    job = row(engine, job_id)
    assert (job.state, job.worker_id, job.completed_at is None) == (state, None, False)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).where(Book.locked_by_job_id.is_not(None))) == 0


@contextmanager
def just_before(engine: Engine, *words: str, act: Callable[[], object]) -> Iterator[list[Any]]:
    """`act` is done once, before `engine` sends the first statement with all these words. What it returned is kept."""
    returned: list[Any] = []
    is_done = threading.Event()

    def listen(_connection: Any, _cursor: Any, statement: str, *_rest: object) -> None:
        if not is_done.is_set() and all(word in statement for word in words):
            is_done.set()
            returned.append(act())

    event.listen(engine, "before_cursor_execute", listen)
    try:
        yield returned
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    assert is_done.is_set(), f"no statement with {words}"
