"""Asking `doctor`, in this process, about the database of the environment."""

import json
from typing import Any

from click.testing import CliRunner
from sqlalchemy import Engine

from bookbot_worker.cli.main import main
from shared.version import __version__
from tests.support.claims import add_worker

SECRET = "sk-very-secret"  # noqa: S105 - what must not be shown


def doctor(code: int, *, is_durable: bool = False) -> dict[str, Any]:
    """The findings that are not ok, by check. The tests' own server keeps nothing, which is no news."""
    result = CliRunner().invoke(main, ["doctor", "--json"])
    assert result.exit_code == code, result.output
    assert SECRET not in result.output
    found = json.loads(result.stdout)["checks"]
    return {row["check"]: row for row in found if row["level"] != "ok" and (is_durable or row["check"] != "durability")}


def live_worker(engine: Engine, **values: Any) -> str:
    """A worker that can work; returns its id."""
    known = {"job_types": ["demo"], "version": __version__}
    return add_worker(engine, lease=600, **(known | values))
