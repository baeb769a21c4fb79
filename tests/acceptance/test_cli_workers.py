"""`workers`: for people on wide and narrow terminals, for pipes, for programs; and for a worker that really runs."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.cells import cell_len
from sqlalchemy import update
from sqlalchemy.orm import Session

from bookbot_worker.cli.main import main
from bookbot_worker.cli.workers import drawn
from shared.clock import db_now_plus
from shared.enqueue import create_job
from shared.ids import new_id
from shared.models import Job, Worker
from tests.support.running import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.usefixtures("environment")]

HOSTILE = "w \x1b[31m\u202e[red]x[/red]\r\n\tforged"
HEADING = ["WORKER_ID", "STATE", "JOBS", "LAST_BEAT", "NAME", "QUEUES", "VERSION", "STARTED_AT", "PROCESS", "TROUBLE"]
NOW = datetime(2030, 1, 31, 9, tzinfo=UTC)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["workers", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def records(*arguments: str) -> list[list[str]]:
    return [line.split("\t") for line in run(*arguments).splitlines()]


def add(session: Session, **values: Any) -> str:
    about = {
        "worker_id": new_id(), "name": "writer", "hostname": "box", "pid": 4711, "version": "1.2", "queues": [],
        "job_types": ["demo"], "concurrency": 10, "lease_until": db_now_plus(20),
    }  # fmt: skip
    about |= values
    session.add(Worker(**about))
    session.commit()
    return str(about["worker_id"])


def give(session: Session, worker_id: str, **values: Any) -> str:
    """A job that the worker runs."""
    job_id = create_job(job_type="demo", session=session).job_id
    session.flush()
    session.execute(update(Job).where(Job.job_id == job_id).values(state="running", worker_id=worker_id, **values))
    session.commit()
    return job_id


def test_where_there_are_none_it_says_how_to_start_one() -> None:
    result = CliRunner().invoke(main, ["workers"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "No workers. Start one with: bookbot-worker run\n"
    assert json.loads(run("--json")) == []


def test_a_pipe_gets_a_record_a_worker_and_below_it_one_a_job(session: Session) -> None:
    idle = add(
        session, queues=["slow", "fast"], trouble="no beat for 9 s", started_at=NOW, heartbeat_at=db_now_plus(-185)
    )
    busy = add(session, started_at=NOW + timedelta(hours=1), state="draining")
    job_id = give(session, busy, progress=0.5, progress_message="half")
    heading, *lines = records()
    assert heading == HEADING
    assert [line[0] for line in lines] == [busy, "", idle]
    assert lines[0][1:3] == ["draining", "1/10"]
    assert lines[1] == ["", job_id, "demo", "50%", "half"]
    assert dict(zip(HEADING, lines[2], strict=True)) == {
        "WORKER_ID": idle, "STATE": "running", "JOBS": "0/10", "LAST_BEAT": "3 min ago", "NAME": "writer",
        "QUEUES": "slow, fast", "VERSION": "1.2", "STARTED_AT": "2030-01-31 09:00:00Z", "PROCESS": "4711@box",
        "TROUBLE": "no beat for 9 s",
    }  # fmt: skip
    assert lines[0][HEADING.index("QUEUES")] == "all"


def test_programs_get_the_column_names_and_all_of_the_jobs(session: Session) -> None:
    worker_id = add(session)
    job_id = give(session, worker_id, progress=0.5)
    [worker] = json.loads(run("--json"))
    assert (worker["worker_id"], worker["state"], worker["trouble"]) == (worker_id, "running", None)
    assert [job["job_id"] for job in worker["jobs"]] == [job_id]
    assert worker["jobs"][0]["progress"] == 0.5


def test_what_ended_long_ago_is_shown_with_all(session: Session) -> None:
    add(session, state="stopped", heartbeat_at=db_now_plus(-3 * 86_400))
    assert run() == ""
    assert records("--all")[1][1:4] == ["stopped", "0/10", "3 d ago"]
    assert len(json.loads(run("--all", "--json"))) == 1


def test_hostile_names_hosts_troubles_and_messages_reach_no_terminal_and_forge_no_record(session: Session) -> None:
    worker_id = add(session, name=HOSTILE, hostname=HOSTILE, trouble=HOSTILE, version="\x1b[2J", queues=[HOSTILE])
    give(session, worker_id, progress_message=HOSTILE)
    shown_on_terminal = "\n".join(text.plain for text in drawn(json.loads(run("--json")), 100))
    for text in (run(), run("--json"), shown_on_terminal):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert [len(record) for record in records()] == [len(HEADING), len(HEADING), 5]
    assert "[red]x[/red]" in shown_on_terminal
    assert not [line for line in shown_on_terminal.splitlines() if line.strip().startswith("forged")]
    assert json.loads(run("--json"))[0]["name"] == HOSTILE


def worker_row(worker_id: str, jobs: int, **values: Any) -> dict[str, Any]:
    running = [
        {"job_id": new_id(), "job_type": "generate_chunk", "progress": 0.5, "progress_message": "五つ " * 30}
        for _ in range(jobs)
    ]
    return {
        "worker_id": worker_id, "state": "running", "concurrency": 10, "seconds_since_beat": 2.4, "name": "writer-1",
        "queues": [], "version": "0.1.0", "started_at": NOW, "pid": 4711, "hostname": "box-1", "trouble": None,
        "jobs": running,
    } | values  # fmt: skip


@pytest.mark.parametrize("width", [10, 40, 60, 80, 100, 140])
def test_every_width_shows_ids_that_can_be_copied_states_and_troubles(width: int) -> None:
    ids = ["01a21073-68a0-7000-8000-000000000000", "01a21073-68a1-7000-8000-000000000000"]
    rows = [worker_row(ids[0], 2), worker_row(ids[1], 1, state="draining", trouble="no beat " * 20)]
    lines = [text.plain for text in drawn(rows, width)]
    for row in rows:
        assert sum(row["worker_id"][:13] in line for line in lines) == 1
        for job in row["jobs"]:
            [place] = [number for number, line in enumerate(lines) if job["job_id"] in line]
            assert lines[place].startswith("  ")
            assert "50%" in "".join(lines[place : place + 2]) or width < 40
    order = [next(number for number, line in enumerate(lines) if key in line) for key in (
        ids[0][:13], rows[0]["jobs"][0]["job_id"], rows[0]["jobs"][1]["job_id"], ids[1][:13], "trouble: no beat",
        rows[1]["jobs"][0]["job_id"],
    )]  # fmt: skip
    assert order == sorted(order)
    assert any("draining" in line for line in lines) or width < 40
    assert any("2 s ago" in line for line in lines) or width < 40
    assert ("2030-01-31" in "\n".join(lines)) is (width >= 140)
    assert all(cell_len(line) <= max(width, 38) for line in lines if "trouble" not in line)


def test_ids_of_workers_are_as_short_as_tells_them_apart() -> None:
    one = worker_row("01a21073-68a0-7000-8000-000000000000", 0)
    assert [text.plain.split()[0] for text in drawn([one], 100)] == ["WORKER_ID", "01a21073"]
    twin = worker_row("01a21073-68a0-7000-8000-000000000001", 0)
    assert [text.plain.split()[0] for text in drawn([one, twin], 140)][1:] == [one["worker_id"], twin["worker_id"]]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 s ago"), (2.4, "2 s ago"), (119.0, "119 s ago"), (120.0, "2 min ago"), (7199.0, "119 min ago"),
     (7200.0, "2 h ago"), (172_799.0, "47 h ago"), (172_800.0, "2 d ago")],
)  # fmt: skip
def test_the_last_beat_is_told_in_a_unit_that_fits(seconds: float, text: str) -> None:
    row = worker_row(new_id(), 0, seconds_since_beat=seconds)
    assert f"  {text}  " in list(drawn([row], 140))[1].plain


def test_a_worker_process_is_listed_with_its_job_and_has_stopped_when_it_ends(
    environment: dict[str, str], tmp_path: Path
) -> None:
    CliRunner().invoke(main, ["jobs", "enqueue", "demo", "--props", '{"steps": 100, "seconds": 50}'])
    with (tmp_path / "worker.log").open("wb") as log:
        command = [sys.executable, "-m", "bookbot_worker", "run", "--name", "writer", "--drain-timeout", "0"]
        process = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log)
    try:
        [worker] = eventually(lambda: [row for row in json.loads(run("--json")) if row["jobs"]])
        assert (worker["name"], worker["pid"], worker["state"]) == ("writer", process.pid, "running")
        assert [job["job_type"] for job in worker["jobs"]] == ["demo"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()
    [worker] = json.loads(run("--json"))
    assert (worker["state"], worker["jobs"]) == ("stopped", [])
