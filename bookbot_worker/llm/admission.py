"""May this call leave now? Breaker, budgets and limits, asked in one transaction with the row that says it has left.

Calls of one model stand in line for it (an advisory lock; on SQLite there is one writer anyway), so that two callers
never take the same free place. Nothing is leased: a call counts as long as its row is `sent` and its job runs under the
claim that sent it, so a dead worker's calls stop counting when its jobs are rescued.
"""

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select, text

from bookbot_worker.llm.breaker import Circuit, Paused, Policy, door
from bookbot_worker.llm.budget import Budgets, Spent, over_budget
from bookbot_worker.llm.circuits import read_circuit, time_of, write_circuit
from bookbot_worker.llm.ledger_rows import CALLS, Asked, Run
from bookbot_worker.llm.limits import MINUTE, Limits, Traffic, over_limit
from shared.clock import db_now_plus
from shared.database import is_postgresql
from shared.models import IS_RUNNING, Book, Job

_LOCK_CLASS = 0x6C6C6D  # "llm": our advisory locks, one for each model

OVER_BUDGET_FOR = timedelta(seconds=30)
"""A job over budget looks again after one to two times this long: somebody must raise it, or the day must end."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings allow."""

    budgets: Budgets = field(default_factory=Budgets)
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True, slots=True)
class Wait:
    """No call may leave; look again `after` this long. `is_brief`: a place may be free any moment."""

    reason: str
    after: timedelta
    is_brief: bool = False


def admit(connection: Connection, run: Run, asked: Asked, rules: Rules, call_id: str) -> Wait | None:
    """Why the call must wait, None where it may leave; then, where the circuit is half open, it is the probe."""
    if rules.limits and is_postgresql(connection):
        lock = text("SELECT pg_advisory_xact_lock(:class, hashtext(:model))")
        connection.execute(lock, {"class": _LOCK_CLASS, "model": asked.model})
    circuit = read_circuit(connection, asked.provider, asked.model, lock=rules.policy.failures > 0)
    now = time_of(connection) if circuit is not None or rules.budgets.day is not None else None
    probe: Paused | Circuit | None = None
    if circuit is not None and now is not None and rules.policy.failures:
        probe = door(circuit, f"{asked.provider}, model {asked.model},", now)
        if isinstance(probe, Paused):
            return Wait(probe.reason, probe.after + timedelta(seconds=_chance()))
    if (reason := _over_budget(connection, run, rules.budgets, now)) is not None:
        return Wait(reason, OVER_BUDGET_FOR * (1 + _chance()))
    if rules.limits and (reason := over_limit(asked.model, _traffic(connection, asked.model), rules.limits)):
        return Wait(reason, timedelta(seconds=1 + 2 * _chance()), is_brief=True)
    if isinstance(probe, Circuit):
        write_circuit(connection, asked.provider, asked.model, replace(probe, probe_call_id=call_id))
    return None


def _over_budget(connection: Connection, run: Run, budgets: Budgets, now: datetime | None) -> str | None:
    if run.book_id is not None:
        props: Any = connection.scalar(select(Book.props).where(Book.book_id == run.book_id))
        budgets = budgets.for_book(props)
    if budgets.is_unlimited:
        return None
    spent = Spent(
        job=_sum(connection, CALLS.c.job_id == run.job_id) if budgets.job is not None else 0.0,
        book=_sum(connection, CALLS.c.book_id == run.book_id) if budgets.book is not None and run.book_id else 0.0,
        day=_sum(connection, CALLS.c.created_at >= _midnight(now)) if budgets.day is not None and now else 0.0,
    )
    has_no_book = Budgets(budgets.job, None, budgets.day) if run.book_id is None else budgets
    return over_budget(spent, has_no_book)


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _sum(connection: Connection, which: ColumnElement[bool]) -> float:
    return float(connection.scalar(select(func.coalesce(func.sum(CALLS.c.cost_usd), 0.0)).where(which)) or 0.0)


def _traffic(connection: Connection, model: str) -> Traffic:
    under_way = (
        select(func.count())
        .select_from(CALLS)
        .join(Job, and_(Job.job_id == CALLS.c.job_id, Job.claim_id == CALLS.c.claim_id, IS_RUNNING))
        .where(CALLS.c.model == model, CALLS.c.status == text("'sent'"))
    )
    recent = select(func.count()).where(CALLS.c.model == model, CALLS.c.created_at > db_now_plus(-MINUTE))
    return Traffic(connection.scalar(under_way) or 0, connection.scalar(recent) or 0)


def _chance() -> float:
    return random.random()  # noqa: S311 - spreads those that come back
