"""The engine's statements stay on their indexes at fifty thousand rows, as they are prepared: for any parameters."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from bookbot_worker.orphans import Holder, Sign
from bookbot_worker.outcomes import Completed, Failed
from bookbot_worker.queue.backlog import anything_left
from bookbot_worker.queue.cancel import asked_to_stop
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from bookbot_worker.queue.group import settle_group
from bookbot_worker.queue.locks import Candidate
from bookbot_worker.queue.rescue import Dead, holders, rescue
from bookbot_worker.queue.settlement import Settlement
from shared.database import is_postgresql, make_engine
from shared.enqueue import NewJob, create_jobs
from shared.ids import new_id
from shared.job_types import AnyProps, JobType, catalogue
from shared.settings import Settings

pytestmark = pytest.mark.integration

ROWS = 50_000
OURS = Claimant(new_id(), ("planned",), (), (("planned", 60.0),))


@pytest.fixture
def busy(settings: Settings) -> Iterator[Engine]:
    """Half of the jobs have ended, some run, the others wait; the planner knows the table."""
    catalogue().add(JobType("planned", AnyProps))
    engine = make_engine(settings)
    with Session(engine) as session:
        create_jobs([NewJob("planned") for _ in range(ROWS)], session=session)
        session.commit()
    ended = "state = 'completed', completed_at = run_at, attempt = 1"
    with engine.begin() as connection:
        ids = "SELECT job_id FROM jobs ORDER BY job_id"
        connection.execute(text(f"UPDATE jobs SET {ended} WHERE job_id IN ({ids} LIMIT {ROWS // 2})"))  # noqa: S608
    claim(engine, OURS, 100)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    yield engine
    engine.dispose()


def settle(engine: Engine) -> None:
    jobs = claim(engine, OURS, 3)
    ends = [Completed(), Completed(), Failed("no")]
    settle_group(
        engine,
        [Settlement(Candidate(job.job_id, None), str(job.claim_id), end) for job, end in zip(jobs, ends, strict=True)],
    )


def rescue_ours(engine: Engine) -> None:
    holders(engine, new_id())
    rescue(engine, [Dead(Holder(OURS.worker_id, None, None, None, None, None, False), Sign.GONE, "gone")])


ACTS: dict[str, Callable[[Engine], Any]] = {
    "claim": lambda engine: claim(engine, OURS, 50),
    "settle": settle,
    "cancel look-up": lambda engine: asked_to_stop(engine, OURS.worker_id),
    "rescue": rescue_ours,
    "what is left": lambda engine: anything_left(engine, OURS),
}


@pytest.mark.parametrize("act", ACTS)
def test_no_statement_reads_the_whole_table(busy: Engine, act: str) -> None:
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.split(None, 1)[0] in ("SELECT", "UPDATE", "WITH"):
            sent.append((statement, parameters))

    event.listen(busy, "before_cursor_execute", note)
    ACTS[act](busy)
    event.remove(busy, "before_cursor_execute", note)
    assert sent
    for statement, parameters in sent:
        plan = plan_of(busy, statement, parameters)
        assert not reads_all_jobs(busy, plan), f"{statement}\n\n{plan}"


def plan_of(engine: Engine, statement: str, parameters: Any) -> str:
    """As the server runs it once it is prepared; on SQLite as it stands."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        cursor = driver.cursor()
        if is_postgresql(engine):
            cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            rows = cursor.execute(f"EXPLAIN {statement}", parameters, prepare=True).fetchall()
            return "\n".join(row[0] for row in rows)
        return "\n".join(row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall())


def reads_all_jobs(engine: Engine, plan: str) -> bool:
    """SQLite also calls it a SCAN where an index is read in its order, as far as the limit asks; these hold few."""
    if is_postgresql(engine):
        return "Seq Scan on jobs" in plan
    scans = [line for line in plan.splitlines() if line.startswith("SCAN jobs")]
    return any(not line.endswith(("jobs_claim", "jobs_suspects", "jobs_running_by_worker")) for line in scans)
