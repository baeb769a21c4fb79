"""Hundreds of jobs, while workers are killed and frozen at random: none is lost, none done twice, none by half."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shared.models import Job
from tests.faults.database import Database
from tests.faults.haunting import Haunting, haunted
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow_faults, pytest.mark.timeout(1800)]

BACKLOG = 15
"""Jobs that have not ended, at any moment: enough that a worker has always something to lose."""

POISON = "worker lost 3 times without progress"


def add_some_job(database: Database, dice: random.Random, books: list[tuple[str, str]]) -> str:
    props: dict[str, Any] = {"seconds": round(dice.uniform(0, 0.6), 2)}
    book, chunk = dice.choice(books)
    match dice.randrange(5):
        case 0 | 1:
            return database.add("effect", props)
        case 2:
            return database.add("book_effect", props, book_id=book)
        case 3:
            return database.add("chunk_effect", props, book_id=book, chunk_id=chunk)
        case _:
            return database.add("quiet", props | {"m": 0})


def unfinished(database: Database) -> int:
    with Session(database.engine) as session:
        return session.scalar(select(func.count()).where(Job.completed_at.is_(None))) or 0


def feed(database: Database, dice: random.Random, jobs: int, haunting: Haunting) -> Iterator[str]:
    """Enqueue `jobs` jobs, in step with the harm that is done; returns when all of it is done."""
    books = [(book := database.add_book(), database.add_chunk(book)) for _ in range(20)]
    harm, added = haunting.left, 0
    while added < jobs or haunting.left > 0:
        left = haunting.left
        due = min(jobs, BACKLOG + jobs * (harm - left) // harm)
        if added < due:
            eventually(lambda: unfinished(database) < BACKLOG, 120)
            added += 1
            yield add_some_job(database, dice, books)
        else:
            eventually(lambda: haunting.left != left, 60)  # noqa: B023 - called here


@pytest.mark.parametrize(
    ("place", "kills", "freezes", "jobs"), [("database", 200, 40, 500), ("sqlite_database", 60, 10, 150)]
)
def test_no_job_is_lost_or_done_twice_however_its_workers_die(
    request: pytest.FixtureRequest,
    fleet: Fleet,
    dice: random.Random,
    seed: int,
    figures: Callable[[str, float], None],
    place: str,
    kills: int,
    freezes: int,
    jobs: int,
) -> None:
    database: Database = request.getfixturevalue(place)
    with (
        watch(database.engine, idle_seconds=None) as watching,
        haunted(Haunting(fleet, database.settings, kills, freezes), 3, seed) as haunting,
    ):
        ids = list(feed(database, dice, jobs, haunting))
    calm = fleet.start(settings=database.settings)
    database.wait_until_ended(ids, 120)
    check(database.engine, ids=ids)
    assert watching.samples > 50
    assert calm.is_alive

    rows = [database.row(job) for job in ids]
    ends = Counter(row.state for row in rows)
    given_up = [row for row in rows if row.state == "error" and str(row.error_message).startswith(POISON)]
    assert ends["completed"] + len(given_up) == len(ids) == jobs
    assert [database.effects(row.job_id) for row in given_up] == [[]] * len(given_up)
    database_name = place.removesuffix("_database").removesuffix("database") or "PostgreSQL"
    for name, value in {
        "SIGKILLs": kills,
        "zombies": freezes,
        "jobs": len(ids),
        "lost": jobs - len(ids),
        "done twice or by half": 0,  # else `check` would not have come back
        "jobs that lost a worker": sum(row.losses > 0 for row in rows),
        "jobs given up after three losses": len(given_up),
    }.items():
        figures(f"soak on {database_name}: {name}", value)
