"""What changes about jobs that are being watched: their rows, their lines, the answer that is coming.

For many jobs at once, a fixed number of statements however many there are, each served by an index. A line's position
is (attempt, seq, claim_id). Within a job a later position is never visible before an earlier one: a claim stores its
lines in order, one transaction after the other, and another claim begins only after the one before is fenced out. So
"all lines after this position" leaves none out, however often and by whomever it is asked.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import TextClause, Tuple, func, literal, select, text, tuple_
from sqlalchemy.orm import Session

from shared.database import is_postgresql
from shared.models import IS_RUNNING, Job, JobLiveText, JobLog, LlmCall
from shared.models.base import Id


class Position(NamedTuple):
    """A place in a job's log: after the line with these three."""

    attempt: int
    seq: int
    claim_id: str


BEGINNING = Position(0, 0, "00000000-0000-0000-0000-000000000000")
"""Before the first line."""

_LINE = tuple(JobLog.__table__.columns)
_PLACE = tuple_(JobLog.attempt, JobLog.seq, JobLog.claim_id)
_LARGE = frozenset({"props", "result", "error_trace", "unique_key"})
_SHOWN = tuple(column for column in Job.__table__.columns if column.name not in _LARGE)


def last_position(session: Session, job_id: str) -> Position:
    """The place of the job's last line, BEGINNING where it has none."""
    query = select(JobLog.attempt, JobLog.seq, JobLog.claim_id).where(JobLog.job_id == job_id)
    newest = query.order_by(JobLog.attempt.desc(), JobLog.seq.desc(), JobLog.claim_id.desc()).limit(1)
    found = session.execute(newest).one_or_none()
    return BEGINNING if found is None else Position(*found)


def place_of(line: Mapping[str, Any]) -> Position:
    """The place of a line."""
    return Position(line["attempt"], line["seq"], line["claim_id"])


def lines_after(session: Session, job_id: str, after: Position, *, limit: int) -> list[dict[str, Any]]:
    """The next lines of one job, in reading order."""
    query = select(*_LINE).where(JobLog.job_id == job_id, _bound(after) < _PLACE)
    ordered = query.order_by(JobLog.attempt, JobLog.seq, JobLog.claim_id).limit(limit)
    return [dict(row) for row in session.execute(ordered).mappings()]


def _bound(place: Position) -> Tuple:
    """As a row of parameters; the id with its type, which SQLite stores in another form."""
    return tuple_(literal(place.attempt), literal(place.seq), literal(place.claim_id, Id))


def lines_of_jobs(session: Session, after: Mapping[str, Position], *, limit: int) -> dict[str, list[dict[str, Any]]]:
    """The next lines, at most `limit` each, of every job that has some; `after` says from where."""
    if not is_postgresql(session.connection()):
        each = ((job_id, lines_after(session, job_id, place, limit=limit)) for job_id, place in after.items())
        return {job_id: lines for job_id, lines in each if lines}
    attempts, seqs, claims = zip(*after.values(), strict=True) if after else ((), (), ())
    values = {"jobs": list(after), "attempts": list(attempts), "seqs": list(seqs), "claims": list(claims)}
    found: dict[str, list[dict[str, Any]]] = {}
    rows = session.execute(_LINES_OF_JOBS.columns(*_LINE), values | {"lines": limit})
    for row in rows.mappings():
        found.setdefault(row["job_id"], []).append(dict(row))
    return found


# A join by the side, so that each job is searched for in the primary key, and read no further than its limit.
_LINES_OF_JOBS: TextClause = text(
    """
    SELECT line.job_id, line.attempt, line.seq, line.claim_id, line.level, line.message, line.props, line.created_at
    FROM unnest(CAST(:jobs AS uuid[]), CAST(:attempts AS integer[]), CAST(:seqs AS integer[]), CAST(:claims AS uuid[]))
        AS wanted (job_id, attempt, seq, claim_id)
    CROSS JOIN LATERAL (
        SELECT * FROM job_logs
        WHERE job_logs.job_id = wanted.job_id
        AND (job_logs.attempt, job_logs.seq, job_logs.claim_id) > (wanted.attempt, wanted.seq, wanted.claim_id)
        ORDER BY job_logs.attempt, job_logs.seq, job_logs.claim_id
        LIMIT :lines
    ) AS line
    """
)


def states_of_jobs(session: Session, job_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The rows of those jobs that exist, without their large columns, and

    - `children`: how many of those it started itself are in each state;
    - `calls`: how many LLM calls it has made, and `answers`: how many of them are over.
    """
    states = {
        row["job_id"]: dict(row) for row in session.execute(select(*_SHOWN).where(Job.job_id.in_(job_ids))).mappings()
    }
    for state in states.values():
        state |= {"children": {}, "calls": 0, "answers": 0}
    born = select(Job.parent_job_id, Job.state, func.count()).where(Job.parent_job_id.in_(job_ids))
    for parent, name, count in session.execute(born.group_by(Job.parent_job_id, Job.state)):
        if parent in states:
            states[parent]["children"][name] = count
    asked = select(LlmCall.job_id, func.count(), func.count(LlmCall.finished_at)).where(LlmCall.job_id.in_(job_ids))
    for job_id, calls, answers in session.execute(asked.group_by(LlmCall.job_id)):
        if job_id in states:
            states[job_id] |= {"calls": calls, "answers": answers}
    return states


def live_texts(session: Session, known: Mapping[str, tuple[str, int, int]]) -> dict[str, dict[str, Any]]:
    """What LLMs are answering the running jobs among `known`: `claim_id`, `call`, `cut` and `text`, by job_id.

    `known` is what the reader has of each: (claim_id, call, length with what is cut); where that is all, it is left
    out, and its text is not read.
    """
    length = (JobLiveText.cut + func.length(JobLiveText.text)).label("length")
    query = (
        select(JobLiveText.job_id, JobLiveText.claim_id, JobLiveText.call, length)
        .join(Job, (Job.job_id == JobLiveText.job_id) & (Job.claim_id == JobLiveText.claim_id) & IS_RUNNING)
        .where(JobLiveText.job_id.in_(known))
    )
    news = [row.job_id for row in session.execute(query) if known[row.job_id] != (row.claim_id, row.call, row.length)]
    if not news:
        return {}
    columns = (JobLiveText.job_id, JobLiveText.claim_id, JobLiveText.call, JobLiveText.cut, JobLiveText.text)
    rows = session.execute(select(*columns).where(JobLiveText.job_id.in_(news))).mappings()
    return {row["job_id"]: dict(row) for row in rows}
