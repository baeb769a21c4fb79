"""The real server process: it starts, answers over sockets, refuses to be exposed, and ends when told."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.settings import Settings

pytestmark = pytest.mark.acceptance


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def request(url: str, body: bytes | None = None) -> tuple[int, Any]:
    """Status and JSON of one request; errors of HTTP are answers too."""
    asked = urllib.request.Request(url, data=body, headers={"content-type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


@contextmanager
def server(
    cwd: Path, command: Sequence[str] = ("-m", "bookbot_web"), log: Path | None = None, **environment: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A running `bookbot-web` that answers. What it says goes to the file `log`, or to be read when it has ended."""
    port = free_port()
    with contextlib.ExitStack() as files:
        process = subprocess.Popen(
            [sys.executable, *command, "--port", str(port)],
            cwd=cwd,
            env=os.environ | environment,
            stdout=files.enter_context(log.open("w")) if log else subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                request(f"{url}/api/health")
                break
            except OSError:
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < deadline, "the server did not answer within 30 s"
                threading.Event().wait(0.1)
        yield url, process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_the_server_enqueues_survives_a_flood_and_ends_cleanly(settings: Settings, tmp_path: Path) -> None:
    with server(tmp_path, DATABASE_URL=settings.database_url.get_secret_value()) as (url, process):
        status, job = request(f"{url}/api/jobs", b'{"job_type": "demo"}')
        assert (status, job["state"]) == (201, "waiting")
        status, problem = request(f"{url}/api/jobs", b"x" * 10_000_000)
        assert (status, problem["status"]) == (413, 413)
        assert request(f"{url}/api/jobs/{job['job_id']}")[0] == 200
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
    assert process.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in output


def test_while_the_database_is_away_requests_get_503_and_no_password_is_shown(tmp_path: Path) -> None:
    away = f"postgresql://someone:hunter2@127.0.0.1:{free_port()}/nowhere"
    with server(tmp_path, DATABASE_URL=away) as (url, process):
        assert request(f"{url}/api/health")[0] == 503
        status, problem = request(f"{url}/api/jobs", b'{"job_type": "demo"}')
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
    assert status == 503
    assert "hunter2" not in output + str(problem)


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["--host", "0.0.0.0"], {}, "BOOKBOT_WEB_TOKEN"),  # noqa: S104
        (["--host", "0.0.0.0"], {"BOOKBOT_WEB_TOKEN": ""}, "BOOKBOT_WEB_TOKEN"),  # noqa: S104
        ([], {"BOOKBOT_WEB_TOKEN": "hunter2"}, "at least 16"),
        ([], {"DATABASE_URL": "mysql://u:hunter2@h/d"}, "not supported"),
        ([], {"DATABASE_URL": "postgresql://u:hunter2@h:notaport/d"}, "not a database URL"),
        ([], {"DATABASE_URL": "postgresql://u:hun@ter2@h/d"}, "%40"),
        ([], {"BOOKBOT_JOB_TYPES": "no_such_module"}, "BOOKBOT_JOB_TYPES: cannot use 'no_such_module'"),
        ([], {"BOOKBOT_JOB_TYPES": "this"}, "BOOKBOT_JOB_TYPES: cannot use 'this'"),
        ([], {}, "bookbot-worker db upgrade"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_exit_78(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], words: str
) -> None:
    command = [sys.executable, "-m", "bookbot_web", "--port", str(free_port()), *arguments]
    given = {"DATABASE_URL": f"sqlite:///{tmp_path}/none.db"} | environment
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | given, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 78
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "hunter2" not in done.stderr
    assert not (tmp_path / "none.db").exists()


def test_each_request_is_one_line_of_the_log_without_its_query_and_health_is_none(
    sqlite_settings: Settings, tmp_path: Path
) -> None:
    database = sqlite_settings.database_url.get_secret_value()
    with server(tmp_path, DATABASE_URL=database, BOOKBOT_LOG_FORMAT="json") as (url, process):
        request(f"{url}/api/jobs?queue=a-secret-search")
        request(f"{url}/api/health/live")
        request(f"{url}/api/%1b%5b31mred")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["method"], line["path"], line["status"]) for line in requests] == [
        ("GET", "/api/jobs", 200),
        ("GET", "/api/\\u001b[31mred", 404),
    ]
    assert requests[0]["ms"] > 0
    assert "a-secret-search" not in output
    assert "health" not in output
    assert f"The pages are on {url}/" in output


def test_the_factory_serves_under_another_program(sqlite_settings: Settings, tmp_path: Path) -> None:
    command = ["-m", "uvicorn", "--factory", "bookbot_web:create_app"]
    with server(tmp_path, command, DATABASE_URL=sqlite_settings.database_url.get_secret_value()) as (url, process):
        assert request(f"{url}/api/jobs", b'{"job_type": "demo"}')[0] == 201
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
    assert "Traceback" not in output
