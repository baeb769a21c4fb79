"""BookBot on a machine with systemd: installed as the guide says, changed as an administrator would, looked at."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from shared.enqueue import create_job
from shared.models import Job
from shared.models import Worker as WorkerRow
from tests.support.docs import ROOT
from tests.support.machine import HOME, Machine, units
from tests.support.running import eventually, row

ONE, TWO, WEB = "bookbot-worker@1", "bookbot-worker@2", "bookbot-web"
WITNESS = "/var/lib/bookbot/witness"
SETTINGS = {
    "BOOKBOT_POLL_SECONDS": "0.2",
    "BOOKBOT_RESCUE_SECONDS": "0.3",
    "BOOKBOT_STOP_GRACE_SECONDS": "1",
    "BOOKBOT_JOBS": "tests.faults.jobs",
    "BOOKBOT_JOB_TYPES": "tests.faults.jobs",
    "PYTHONPATH": f"{HOME}/src",
}
"""Quick, and with the jobs of the fault tests."""


@contextmanager
def installed(environment: Path, database_url: str, folder: Path) -> Iterator[Machine]:
    """A machine with the units of `deploy/systemd/` and the virtual environment in its place; nothing is started."""
    places = {unit: f"/etc/systemd/system/{unit.name}" for unit in units()}
    machine = Machine(folder, {environment: str(HOME / "venv"), ROOT / "tests": f"{HOME}/src/tests", **places})
    try:
        machine.run("useradd", "--system", "bookbot")
        machine.write("/etc/credstore/database-url", database_url)
        machine.write("/etc/bookbot/bookbot.env", "".join(f"{name}={value}\n" for name, value in SETTINGS.items()))
        yield machine
    finally:
        machine.close()


def drop_in(machine: Machine, unit: str, *lines: str) -> None:
    """Change a unit, as `systemctl edit` would."""
    machine.write(f"/etc/systemd/system/{unit}.service.d/test.conf", "\n".join(["[Service]", *lines, ""]))
    machine.run("systemctl", "daemon-reload")


def serve_web_at(machine: Machine, port: int) -> None:
    """Have the web tier listen there: the network is shared with other machines of the tests."""
    program = f"{HOME}/venv/bin/bookbot-web --host 127.0.0.1 --port {port}"
    drop_in(machine, WEB, "ExecStart=", f"ExecStart={program}")


def answer(port: int, path: str, token: str | None = None) -> int:
    """The status of the API's answer; 0 where nobody answers."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - http, three lines above
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def add(engine: Engine, job_type: str, **props: object) -> str:
    """Enqueue one of the fault tests' jobs; returns its id."""
    with Session(engine) as session:
        job = create_job(job_type=job_type, props={"witness": WITNESS, **props}, session=session)
        session.commit()
        return job.job_id


def wait_for_state(engine: Engine, job_id: str, state: str = "completed") -> Job:
    """Until the job is in it; returns its row."""
    eventually(lambda: row(engine, job_id).state == state, 60)
    return row(engine, job_id)


def wait_for_start(machine: Machine, job_id: str, times: int = 1) -> None:
    """Until the job was started so often, in the words of its witness."""
    eventually(lambda: machine.run("cat", WITNESS, check=False).count(f"start {job_id}") >= times, 60)


def release(machine: Machine) -> None:
    """Let go the jobs that wait for the word."""
    machine.run("sh", "-c", f"echo go >> {WITNESS}")


def all_workers(engine: Engine) -> dict[str, str]:
    """The states of all workers, by name."""
    with Session(engine) as session:
        return {worker.name: worker.state for worker in session.scalars(select(WorkerRow))}
