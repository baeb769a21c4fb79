"""The invariants as queries against the schema, by name; each must return no rows.

Written from the promises, not from the engine's code. Effects are the rows that `tests/faults/good_jobs.py` writes.
"""

from typing import Any

from sqlalchemy import ColumnElement, Executable, Select, and_, case, func, or_, select, text, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased
from sqlalchemy.sql.functions import FunctionElement

from shared.models import Book, Chunk, Job, JobLog
from shared.models.base import Id
from shared.states import TERMINAL, JobState, LockScope

Questions = dict[str, Executable]

ALL_IDS: Select[Any] = select(Job.job_id)
CLOCK_SLACK = 0.1
"""Seconds between clocks that tell the same time: SQLite's has milliseconds."""

_IS_TERMINAL = Job.state.in_(TERMINAL)
_IS_RUNNING = Job.state == JobState.RUNNING


class as_id(FunctionElement[str]):  # noqa: N801 - reads as the SQL function it is
    """A text that is a job's id, comparable to the column."""

    type = Id
    inherit_cache = True


class seconds_between(FunctionElement[float]):  # noqa: N801
    """From the first instant to the second."""

    inherit_cache = True


@compiles(as_id)
def _as_id(element: Any, compiler: Any, **kw: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kw)} AS UUID)"


@compiles(as_id, "sqlite")
def _as_id_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"replace({compiler.process(element.clauses, **kw)}, '-', '')"


@compiles(seconds_between)
def _seconds_between(element: Any, compiler: Any, **kw: Any) -> str:
    earlier, later = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"EXTRACT(EPOCH FROM {later} - {earlier})"


@compiles(seconds_between, "sqlite")
def _seconds_between_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    earlier, later = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"((julianday({later}) - julianday({earlier})) * 86400)"


def always() -> Questions:
    """What must hold at every moment, in one snapshot."""
    return {
        "I4 a book is locked only by a running job that wants it": select(Book.book_id, Book.locked_by_job_id).where(
            Book.locked_by_job_id.is_not(None),
            ~_runs(Book.locked_by_job_id, LockScope.BOOK, Job.book_id == Book.book_id),
        ),
        "I4 a chunk is locked only by a running job that wants it": select(
            Chunk.chunk_id, Chunk.locked_by_job_id
        ).where(
            Chunk.locked_by_job_id.is_not(None),
            ~_runs(Chunk.locked_by_job_id, LockScope.CHUNK, Job.chunk_id == Chunk.chunk_id),
        ),
        "I4 a running job holds what it locks": select(Job.job_id, Job.lock_scope).where(
            _IS_RUNNING, Job.lock_scope.is_not(None), ~_holds(Book), ~_holds(Chunk)
        ),
        "I5 terminal ⇔ completed_at": select(Job.job_id, Job.state, Job.completed_at).where(
            Job.completed_at.is_not(None) != _IS_TERMINAL
        ),
        "I5 worker_id ⇔ running": select(Job.job_id, Job.state, Job.worker_id).where(
            Job.worker_id.is_not(None) != _IS_RUNNING
        ),
        "I5 a running job has a claim and was started": select(Job.job_id, Job.claim_id, Job.attempt).where(
            _IS_RUNNING, or_(Job.claim_id.is_(None), Job.started_at.is_(None), Job.attempt < 1)
        ),
        "I6 a terminal job has all its lines, 1 to log_count": _lines_missing(),
    }


def at_rest(m: int) -> Questions:
    """What must hold as well when nothing is going on; `m`: effects of a completed job whose props do not say."""
    return {
        "I2 effects belong to completed jobs, to their last claim": _effects_of_nobody(),
        "I2 a completed job has all its effects, once": _effects_missing(m),
        "I3 nothing is left of what was called off": select(Book.title).where(Book.title.like("must not%")),
        "I4 work on one book or chunk does not overlap": _overlaps(),
        "I4 a book has counted every job that counted itself": _miscounted(Book, "book_effect"),
        "I4 a chunk has counted every job that counted itself": _miscounted(Chunk, "chunk_effect"),
        "I5 a job that ended by running has an attempt": select(Job.job_id, Job.state, Job.attempt).where(
            Job.started_at.is_not(None), Job.attempt < 1
        ),
        "I6 lines read in the order they were written": _lines_out_of_order(),
        "I6 no line is newer than the end of its job": select(JobLog.job_id, JobLog.seq, JobLog.created_at)
        .join(Job, Job.job_id == JobLog.job_id)
        .where(_IS_TERMINAL, seconds_between(Job.completed_at, JobLog.created_at) > CLOCK_SLACK),
        "I6 the last line of a completed job is of its last claim": select(Job.job_id, JobLog.seq, JobLog.message)
        .join(JobLog, and_(JobLog.job_id == Job.job_id, JobLog.seq == Job.log_count))
        .where(Job.state == JobState.COMPLETED, JobLog.claim_id.is_distinct_from(Job.claim_id)),
    }


def at_the_end() -> Questions:
    """What must hold as well when every job has ended."""
    return {"I1 every job has ended": select(Job.job_id, Job.job_type, Job.state).where(~_IS_TERMINAL)}


def of_transactions(idle_seconds: float) -> Questions:
    """On PostgreSQL, at every moment: nobody keeps a transaction open and does nothing in it."""
    idle = text("""
        SELECT pid, application_name, query FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'bookbot%' AND state LIKE 'idle in transaction%'
          AND clock_timestamp() - state_change > make_interval(secs => :seconds)
    """)
    return {f"I10 nothing is idle in a transaction for {idle_seconds:g} s": idle.bindparams(seconds=idle_seconds)}


def of_sessions(idle_seconds: float) -> Questions:
    """On PostgreSQL, after a moment: the same, and workers that have ended leave no session behind."""
    left = text("""
        SELECT pid, application_name, state, query FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'bookbot-worker:%' AND NOT EXISTS (
            SELECT FROM workers WHERE right(worker_id::text, 8) = split_part(application_name, ':', 2)
            AND state <> 'stopped' AND coalesce(lease_until > clock_timestamp(), true))
    """)
    return of_transactions(idle_seconds) | {"I12 dead workers have no sessions": left}


def _runs(job_id: Any, scope: LockScope, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(1).where(Job.job_id == job_id, _IS_RUNNING, Job.lock_scope == scope, *conditions).exists()


def _holds(table: type[Book] | type[Chunk]) -> ColumnElement[bool]:
    return select(1).where(table.locked_by_job_id == Job.job_id).exists()


def _lines_missing() -> Executable:
    lines = (
        select(
            JobLog.job_id,
            func.count().label("lines"),
            func.count(JobLog.seq.distinct()).label("numbers"),
            func.min(JobLog.seq).label("first"),
            func.max(JobLog.seq).label("last"),
        )
        .group_by(JobLog.job_id)
        .subquery()
    )
    figures = [func.coalesce(lines.c[name], 0) for name in ("lines", "numbers", "last")]
    return (
        select(Job.job_id, Job.state, Job.log_count, *lines.c)
        .outerjoin(lines, lines.c.job_id == Job.job_id)
        .where(_IS_TERMINAL, or_(lines.c.first != 1, *(figure != Job.log_count for figure in figures)))
    )


def _lines_out_of_order() -> Executable:
    before = (
        func.lag(JobLog.seq).over(partition_by=JobLog.job_id, order_by=(JobLog.attempt, JobLog.seq)).label("before")
    )
    lines = select(JobLog.job_id, JobLog.attempt, JobLog.seq, before).subquery()
    return select(lines).where(lines.c.seq <= lines.c.before)


def _effect_of() -> ColumnElement[str]:
    """The job an effect belongs to: its title is "effect JOB N"."""
    return case((Book.title.like("effect %"), as_id(func.substr(Book.title, 8, 36))))


def _effect_claim() -> ColumnElement[str]:
    return case((Book.title.like("effect %"), as_id(Book.props["claim_id"].as_string())))


def _effects_of_nobody() -> Executable:
    kept = and_(Job.job_id == _effect_of(), Job.state == JobState.COMPLETED, Job.claim_id == _effect_claim())
    return select(Book.title, Book.props).outerjoin(Job, kept).where(Book.title.like("effect %"), Job.job_id.is_(None))


def _effects_missing(m: int) -> Executable:
    effects = select(_effect_of().label("job_id"), Book.title).where(Book.title.like("effect %")).subquery()
    titles = func.count(effects.c.title.distinct()).label("titles")
    written = select(effects.c.job_id, func.count().label("count"), titles).group_by(effects.c.job_id).subquery()
    wanted = func.coalesce(Job.props["m"].as_integer(), m)
    return (
        select(Job.job_id, Job.job_type, wanted.label("wanted"), written.c.count, written.c.titles)
        .outerjoin(written, written.c.job_id == Job.job_id)
        .where(
            Job.state == JobState.COMPLETED,
            Job.props["witness"].as_string().is_not(None),
            or_(func.coalesce(written.c.count, 0) != wanted, func.coalesce(written.c.titles, 0) != wanted),
        )
    )


def _overlaps() -> Executable:
    """Two completed runs that excluded each other, and were at work at the same time."""
    other = aliased(Job)
    excludes = or_(Job.lock_scope == LockScope.BOOK, other.lock_scope == LockScope.BOOK, Job.chunk_id == other.chunk_id)
    return (
        select(
            Job.job_id, other.job_id.label("other"), Job.started_at, Job.completed_at, other.started_at.label("later")
        )
        .join(other, and_(other.book_id == Job.book_id, other.job_id != Job.job_id))
        .where(
            *(job.state == JobState.COMPLETED for job in (Job, other)),
            *(job.lock_scope.is_not(None) for job in (Job, other)),
            excludes,
            Job.started_at <= other.started_at,
            other.started_at < Job.completed_at,
        )
    )


def _miscounted(table: type[Book] | type[Chunk], job_type: str) -> Executable:
    of_it = Job.book_id == Book.book_id if table is Book else Job.chunk_id == Chunk.chunk_id
    jobs = select(func.count()).where(Job.job_type == job_type, Job.state == JobState.COMPLETED, of_it)
    counted = func.coalesce(table.props["count"].as_integer(), 0)
    latest = Chunk.is_latest if table is Chunk else true()
    key = Book.book_id if table is Book else Chunk.chunk_id
    return select(key, counted.label("counted")).where(latest, counted != jobs.scalar_subquery())
