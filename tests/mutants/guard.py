"""What a guard is, for the tables beside this file."""

from dataclasses import dataclass

INTEGRATION = "tests/integration/"


@dataclass(frozen=True)
class Edit:
    """In `file`, the one place that says `text` says `instead`."""

    file: str
    text: str
    instead: str


@dataclass(frozen=True)
class Guard:
    """`why` it exists; what takes it away; `tests`: what must go red then, as arguments of pytest."""

    name: str
    why: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


def guard(name: str, why: str, tests: str, *edits: tuple[str, str, str]) -> Guard:
    """A guard; `tests`: node ids with spaces between, each of `edits`: (file, text, instead)."""
    return Guard(name, why, tuple(Edit(*edit) for edit in edits), tuple(tests.split()))
