"""Standard streams that are closed, full or gone, and a Ctrl-C before the program is all there: real processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import Settings

pytestmark = pytest.mark.acceptance

COMMAND = [sys.executable, "-m", "bookbot_worker"]
INTERRUPTS_ITS_IMPORT = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"


class Closed:
    """Commands under a shell that closes or redirects their streams, on one database."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.environment = os.environ | {"DATABASE_URL": url}

    def run(self, *arguments: str, streams: str = "") -> tuple[int, str, str]:
        """The exit code, and what still came out."""
        command = ["sh", "-c", f'exec "$@" {streams}', "sh", *COMMAND, *arguments]
        done = subprocess.run(
            command, cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def shell(sqlite_settings: Settings, tmp_path: Path) -> Closed:
    return Closed(tmp_path, sqlite_settings.database_url.get_secret_value())


def test_a_closed_stdout_is_a_place_nobody_reads(shell: Closed) -> None:
    _, job_id, _ = shell.run("jobs", "enqueue", "demo")
    job_id = job_id.strip()
    commands = (["jobs", "list"], ["jobs", "list", "--json"], ["jobs", "show", job_id], ["--help"], ["--version"])
    for command in commands:
        assert shell.run(*command, streams=">&-") == (0, "", "")
    assert shell.run("jobs", "cancel", job_id, streams=">&-") == (0, "", "")
    _, shown, _ = shell.run("jobs", "show", job_id, "--json")
    assert json.loads(shown)["state"] == "cancelled"
    assert shell.run("jobs", "watch", job_id, "--exit-status", streams=">&-")[0] == 1
    assert shell.run("files", "save", "0000", "--output", "-", streams=">&-")[0] == 3


def test_a_closed_stderr_leaves_the_exit_code(shell: Closed) -> None:
    assert shell.run("nonsense", streams="2>&-") == (2, "", "")
    assert shell.run("jobs", "show", "00000000", streams="2>&-") == (3, "", "")
    assert shell.run("jobs", "show", "00000000", streams="2>/dev/full") == (3, "", "")
    assert shell.run(streams="2>&- >&-")[0] == 2


def test_a_closed_stdin_is_empty(shell: Closed) -> None:
    code, out, err = shell.run("jobs", "enqueue", "demo", "--props", "-", streams="<&-")
    assert (code, out) == (2, "")
    assert err.startswith("Error: props: is not JSON")


def test_all_three_closed_is_no_error(shell: Closed) -> None:
    assert shell.run("jobs", "list", streams="<&- >&- 2>&-") == (0, "", "")
    assert shell.run("run", "--until-empty", streams="<&- >&- 2>&-") == (0, "", "")


def test_a_full_disk_is_one_line(shell: Closed) -> None:
    for command in (["--help"], ["jobs", "--help"], ["jobs", "list", "--json"]):
        code, _, err = shell.run(*command, streams=">/dev/full")
        assert (code, err) == (1, "Error: input/output: No space left on device\n")


def test_help_into_a_reader_that_is_gone_is_no_error(shell: Closed) -> None:
    for command in (["--help"], ["jobs", "--help"]):
        reading, writing = os.pipe()
        os.close(reading)
        process = subprocess.Popen(
            [*COMMAND, *command], stdout=writing, stderr=subprocess.PIPE, text=True, env=shell.environment
        )
        os.close(writing)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize("module", ["click", "sqlalchemy", "pydantic", "rich"])
def test_ctrl_c_while_modules_are_imported_is_130_and_no_traceback(shell: Closed, module: str) -> None:
    (shell.directory / f"{module}.py").write_text(INTERRUPTS_ITS_IMPORT)
    entry = [sys.executable, "-c", "from bookbot_worker.__main__ import main; main()"]
    environment = shell.environment | {"PYTHONPATH": str(shell.directory)}
    for command in (COMMAND, entry):
        done = subprocess.run(
            [*command, "jobs", "list"], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout) == (130, "")
        assert done.stderr.split() == ["Interrupted."]


def test_help_imports_neither_the_database_nor_the_tables_of_a_terminal() -> None:
    program = (
        "import sys\nfrom bookbot_worker.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "print(sorted({'sqlalchemy', 'alembic', 'pydantic', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Enqueue jobs" in done.stdout
