"""Workers that die at a chosen step of claim, execute and settle: the job is done all the same, and once.

Some workers, each with one job of another kind, come to the same step; what is lost there is done by one more. At one
step one kind of job never arrives.
"""

import signal

import pytest

from bookbot_worker.failpoints import NAMES
from tests.faults.database import Database
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch

pytestmark = pytest.mark.faults

KINDS = ("book_effect", "quiet", "effect")
"""With a lock and writes, one that settles in a group because it writes nothing, and one with writes alone."""

NOT_REACHED = {("settle.flushed", "quiet")}
OF_A_RUN = [name for name in NAMES if name.partition(".")[0] in ("claim", "run", "settle")]
QUICK = [("database", name, "kill", KINDS[:2]) for name in OF_A_RUN if not name.startswith("run.")]
CODES = {"kill": -signal.SIGKILL, "exit": 0}
SLOW = [
    pytest.param(place, name, action, KINDS, marks=pytest.mark.slow_faults)
    for place in ("database", "sqlite_database")
    for name in OF_A_RUN
    for action in CODES
]
STARTS = {"claim.sent": 1, "claim.committed": 1, "run.enter": 1, "settle.acked": 1}
"""How often a job is started that met its worker's death there; at all other steps twice."""


@pytest.mark.parametrize(
    ("place", "name", "action", "kinds"),
    [*QUICK, ("sqlite_database", "settle.commit_sent", "kill", KINDS[:2]), *SLOW],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else None,
)
def test_a_worker_may_die_at_any_step(
    request: pytest.FixtureRequest, fleet: Fleet, place: str, name: str, action: str, kinds: tuple[str, ...]
) -> None:
    database: Database = request.getfixturevalue(place)
    props = {"quiet": {"m": 0}}
    jobs = {kind: database.add(kind, props.get(kind), queue=kind, **book(database, kind)) for kind in kinds}
    with watch(database.engine):
        for kind in kinds:
            options = ("--queue", kind, "--concurrency", "1")
            fleet.start(*options, settings=database.settings, failpoint=f"{name}:{action}")
        for worker, kind in zip(fleet.workers, kinds, strict=True):
            if (name, kind) not in NOT_REACHED:
                assert worker.exit_code() == CODES[action]
        fleet.start(settings=database.settings)
        database.wait_until_ended(jobs.values())
    check(database.engine, ids=jobs.values())
    assert {database.row(job).state for job in jobs.values()} == {"completed"}
    expected = {kind: 1 if (name, kind) in NOT_REACHED else STARTS.get(name, 2) for kind in kinds}
    assert {kind: database.starts(job) for kind, job in jobs.items()} == expected


def book(database: Database, kind: str) -> dict[str, str]:
    """What the job locks."""
    return {"book_id": database.add_book()} if kind == "book_effect" else {}


@pytest.mark.parametrize("place", ["database", pytest.param("sqlite_database", marks=pytest.mark.slow_faults)])
@pytest.mark.parametrize("action", ["kill", pytest.param("exit", marks=pytest.mark.slow_faults)])
def test_a_worker_may_die_while_it_rescues(
    request: pytest.FixtureRequest, fleet: Fleet, place: str, action: str
) -> None:
    database: Database = request.getfixturevalue(place)
    [first] = fleet.start_many(1, settings=database.settings)
    jobs = [
        database.add("hangs", {"times": 1}),
        database.add("book_effect", {"seconds": 0.5}, book_id=database.add_book()),
    ]
    for job in jobs:
        database.wait_for_start(job)
    first.kill()
    with watch(database.engine):
        assert fleet.start(settings=database.settings, failpoint=f"rescue.locked:{action}").exit_code() == CODES[action]
        assert {database.row(job).state for job in jobs} == {"running"}
        fleet.start(settings=database.settings)
        database.wait_until_ended(jobs)
    check(database.engine, ids=jobs)
    assert [(database.row(job).state, database.starts(job)) for job in jobs] == [("completed", 2)] * 2
    assert [database.row(job).losses for job in jobs] == [1, 1]


@pytest.mark.parametrize("place", ["database", pytest.param("sqlite_database", marks=pytest.mark.slow_faults)])
@pytest.mark.parametrize("action", ["kill", pytest.param("exit", marks=pytest.mark.slow_faults)])
def test_a_worker_may_die_while_it_beats(request: pytest.FixtureRequest, fleet: Fleet, place: str, action: str) -> None:
    database: Database = request.getfixturevalue(place)
    job = database.add("hangs", {"times": 1})
    with watch(database.engine):
        dying = fleet.start(settings=database.settings, failpoint=f"beat.sent:{action}:4")
        assert dying.exit_code() == CODES[action]
        assert database.starts(job) == 1
        fleet.start(settings=database.settings)
        database.wait_until_ended([job])
    check(database.engine, ids=[job])
    assert (database.row(job).state, database.starts(job)) == ("completed", 2)
