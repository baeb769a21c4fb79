"""What `doctor` looks at, a file a subject. A check answers with a finding: how it stands, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


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


def ok(check: str, detail: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, detail)


def warn(check: str, detail: str, advice: str) -> Finding:
    """Somebody should look at it."""
    return Finding(check, Level.WARN, detail, advice)


def fail(check: str, detail: str, advice: str) -> Finding:
    """Jobs do not run as they should."""
    return Finding(check, Level.FAIL, detail, advice)
