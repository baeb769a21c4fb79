"""The API holds what its OpenAPI document promises: a stranger reads it, and asks for all it allows, and more.

Every edge of every value, and a few generated examples for each route; seeded, so that a failure comes again.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.acceptance.test_api_process import request, server

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

STRANGER = Path(sys.executable).parent / "schemathesis"

# 422 is no failure: that a language tag must be one, or a text hold no NUL, is more than the document can say.
RULES = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 409, 422]
"""


def test_the_api_holds_what_its_document_promises(sqlite_settings: Settings, tmp_path: Path) -> None:
    rules = tmp_path / "schemathesis.toml"
    rules.write_text(RULES, encoding="utf-8")
    database = sqlite_settings.database_url.get_secret_value()
    environment = {"DATABASE_URL": database, "BOOKBOT_WEB_WRITES_PER_MINUTE": "0"}
    with server(tmp_path, log=tmp_path / "web.log", **environment) as (url, _):
        command = [
            str(STRANGER), "--config-file", str(rules), "--no-color", "run", f"{url}/api/openapi.json",
            "--phases", "coverage,fuzzing", "--max-examples", "6", "--seed", "1", "--workers", "2",
            "--exclude-path-regex", "events$", "--request-timeout", "20", "--suppress-health-check", "all",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
        assert request(f"{url}/api/health")[0] == 200
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]
    assert "Traceback" not in (tmp_path / "web.log").read_text(encoding="utf-8")
