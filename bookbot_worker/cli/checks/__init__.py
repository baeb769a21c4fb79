"""What `doctor` looks at, a file a subject. A check answers with a finding: how it stands, and what to do about it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from psycopg.errors import InsufficientPrivilege
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session


class Level(StrEnum):
    """How a finding stands: all is well; somebody should look at it; jobs do not run as they should."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check. `advice` is what to do, None where nothing is to be done."""

    check: str
    level: Level
    detail: str
    advice: str | None = None


class Check(Protocol):
    """One question or a few, all about one thing."""

    def __call__(self, session: Session, /) -> Finding | Iterable[Finding]:
        """What was found. Raises what the database answers."""
        ...


def ok(check: str, detail: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, detail)


def warn(check: str, detail: str, advice: str) -> Finding:
    """Somebody should look at it."""
    return Finding(check, Level.WARN, detail, advice)


def fail(check: str, detail: str, advice: str) -> Finding:
    """Jobs do not run as they should."""
    return Finding(check, Level.FAIL, detail, advice)


def unseen(check: str, detail: str, role: str) -> Finding:
    """Nobody knows how it stands, because the role may not see it."""
    return warn(check, f"cannot look: {detail}", f"let the role see it: GRANT pg_monitor TO {role}")


def look(name: str, check: Check, session: Session) -> Iterator[Finding]:
    """What the check finds, or that the role of the session may not look; then the session is of no more use.

    Raises what else the database answers.
    """
    try:
        found = check(session)
        yield from [found] if isinstance(found, Finding) else found
    except DBAPIError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        reason = error.orig.diag.message_primary or "permission denied"
        yield warn(
            name, f"cannot look: {reason}",
            "run doctor as the role that owns the tables, or grant this one what it lacks",
        )  # fmt: skip
