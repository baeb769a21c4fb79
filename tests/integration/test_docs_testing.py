"""The page about testing job types says what is so: its tests are run by pytest, as a project of its own would."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.support.docs import ROOT, write_files

pytestmark = pytest.mark.integration

PAGE = ROOT / "docs" / "testing.md"


def run_pytest(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """pytest in a process of its own, in a folder that knows nothing of this project's settings."""
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *options]
    known = {name: value for name, value in os.environ.items() if not name.startswith(("BOOKBOT_", "DATABASE_URL"))}
    return subprocess.run(
        command, cwd=folder, env=known | environment, capture_output=True, text=True, check=False, timeout=100
    )


def test_the_tests_of_the_page_pass_on_sqlite(tmp_path: Path) -> None:
    write_files(PAGE, tmp_path)
    ran = run_pytest(tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "5 passed" in ran.stdout


def test_the_tests_of_the_page_pass_on_postgresql(tmp_path: Path, postgres_settings: Settings) -> None:
    """All but the one that counts every job of its database, which the others share here."""
    write_files(PAGE, tmp_path)
    url = postgres_settings.database_url.get_secret_value()
    ran = run_pytest(tmp_path, "test_shout.py", MY_TEST_DATABASE_URL=url)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 passed" in ran.stdout


def test_the_plugin_costs_a_project_that_does_not_use_it_next_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        "import sys\n\n\n"
        "def test_nothing_of_ours_is_loaded_but_the_plugin():\n"
        "    ours = {name for name in sys.modules if name.partition('.')[0] in {'bookbot_worker', 'shared'}}\n"
        "    assert ours == {'bookbot_worker', 'bookbot_worker.testing', 'bookbot_worker.testing.plugin'}\n"
        "    assert 'sqlalchemy' not in sys.modules\n"
    )
    ran = run_pytest(tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
