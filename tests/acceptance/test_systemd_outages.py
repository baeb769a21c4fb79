"""The units where the database is away: at boot, for minutes, frozen. They come back by themselves; nobody is called.

Under a real systemd, see `test_systemd_boot.py`. A proxy on the database's way does what the network would.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, make_url

from shared.settings import Settings
from tests.support.chaos_proxy import ChaosProxy
from tests.support.installation import (
    ONE,
    TWO,
    WEB,
    add,
    all_workers,
    answer,
    drop_in,
    release,
    serve_web_at,
    wait_for_start,
    wait_for_state,
)
from tests.support.machine import Machine
from tests.support.postgres import free_port
from tests.support.running import eventually

pytestmark = [pytest.mark.systemd, pytest.mark.xdist_group("systemd")]

BURST = 5
"""So many starts within 10 seconds systemd allows a unit by default, before it gives it up."""

WEB_ACCESS = "a-token-nobody-guesses"


@pytest.fixture
def settings(postgres_settings: Settings) -> Settings:
    """On PostgreSQL."""
    return postgres_settings


@pytest.fixture
def proxy(settings: Settings, machine: Machine) -> Iterator[ChaosProxy]:
    """The way from the machine's units to the database."""
    url = settings.database_url.get_secret_value()
    with ChaosProxy(make_url(url).port or 5432) as proxy:
        machine.write("/etc/credstore/database-url", f"{proxy.url(url)}?connect_timeout=2")
        yield proxy


def restarts(machine: Machine, unit: str) -> int:
    return int(machine.show(unit, "NRestarts")[0])


def test_a_worker_that_starts_while_the_database_is_away_is_started_until_it_is_there(
    machine: Machine, engine: Engine, proxy: ChaosProxy
) -> None:
    """However often: a tenth of a second apart, systemd would have given it up after the fifth time."""
    drop_in(machine, ONE, "RestartSec=100ms")
    proxy.refuse()
    job = add(engine, "effect")
    machine.run("systemctl", "start", "--no-block", ONE)
    eventually(lambda: restarts(machine, ONE) > 2 * BURST, 100)
    assert machine.show(ONE, "Result") != ["start-limit-hit"]
    said = {entry["MESSAGE"] for entry in machine.journal("_COMM=bookbot-worker")}
    assert [line for line in said if line.startswith("Error: the database answers: ")], said
    assert not [line for line in said if "Traceback" in line]
    proxy.passing()
    assert wait_for_state(engine, job).attempt == 1
    assert machine.show(ONE, "ActiveState", "SubState") == ["active", "running"]
    assert list(all_workers(engine).values()) == ["running"]


def test_a_worker_that_starts_while_the_database_is_silent_does_not_wait_for_ever(
    machine: Machine, engine: Engine, proxy: ChaosProxy
) -> None:
    """It ends by itself and is started again, long before systemd would call the start a failure."""
    drop_in(machine, ONE, "RestartSec=100ms", "Environment=BOOKBOT_DATABASE_TIMEOUT_SECONDS=1")
    proxy.blackhole()
    machine.run("systemctl", "start", "--no-block", ONE)
    eventually(lambda: restarts(machine, ONE) >= 2, 60)
    said = [entry["MESSAGE"] for entry in machine.journal(f"--unit={ONE}")]
    assert not [line for line in said if "timed out. Terminating" in line]
    proxy.passing()
    proxy.reset()
    eventually(lambda: machine.show(ONE, "ActiveState") == ["active"], 60)
    assert list(all_workers(engine).values()) == ["running"]


def test_at_a_boot_at_which_postgresql_fails_everything_waits_for_it_and_then_works(
    machine: Machine, engine: Engine, proxy: ChaosProxy
) -> None:
    """Ours start after it, and whether or not it has come up."""
    port = free_port()
    serve_web_at(machine, port)
    machine.write("/etc/credstore/web-token", WEB_ACCESS)
    postgresql = ["[Service]", "Type=oneshot", "ExecStart=/bin/sh -c 'sleep 1; exit 1'", ""]
    machine.write("/etc/systemd/system/postgresql.service", "\n".join(postgresql))
    machine.run("systemctl", "enable", "bookbot.target", WEB, ONE, TWO)
    proxy.refuse()
    job = add(engine, "effect")
    machine.run("systemctl", "start", "postgresql.service", "bookbot.target", check=False)
    assert machine.show("postgresql", "ActiveState") == ["failed"]
    assert machine.show("bookbot.target", "ActiveState") == ["active"]
    [failed_at] = machine.show("postgresql", "ExecMainExitTimestampMonotonic")
    [web_began_at] = machine.show(WEB, "ExecMainStartTimestampMonotonic")
    assert 0 < int(failed_at) <= int(web_began_at)
    eventually(lambda: all(restarts(machine, unit) for unit in (ONE, TWO)), 60)
    assert eventually(lambda: answer(port, "jobs", WEB_ACCESS)) == 503, "it is there, and says what is missing"
    proxy.passing()
    assert wait_for_state(engine, job).attempt == 1
    eventually(lambda: machine.show(TWO, "ActiveState") == machine.show(ONE, "ActiveState") == ["active"], 60)
    assert sorted(all_workers(engine).values()) == ["running", "running"]
    assert eventually(lambda: answer(port, "jobs", WEB_ACCESS)) == 200
    assert restarts(machine, WEB) == 0


def test_a_frozen_database_is_no_hang_of_the_loop(machine: Machine, engine: Engine, proxy: ChaosProxy) -> None:
    """For twice as long as the watchdog waits, which is longer than a turn of calls that all time out.

    With so short a timeout a job may be broken off in a call, and run again; it is not lost with its worker.
    """
    seconds = 8
    short = "Environment=BOOKBOT_DATABASE_TIMEOUT_SECONDS=1 BOOKBOT_LEASE_SECONDS=120"
    drop_in(machine, ONE, f"WatchdogSec={seconds}", short)
    machine.run("systemctl", "start", ONE)
    job = add(engine, "effect", until="go")
    wait_for_start(machine, job)
    pid = machine.main_pid(ONE)
    proxy.stall()
    stalled_at = uptime(machine)
    eventually(lambda: uptime(machine) > stalled_at + 2 * seconds, 60)
    assert machine.main_pid(ONE) == pid
    proxy.passing()
    release(machine)
    assert wait_for_state(engine, job).losses == 0
    assert (machine.main_pid(ONE), restarts(machine, ONE)) == (pid, 0)


def uptime(machine: Machine) -> float:
    """Seconds."""
    return float(machine.run("cat", "/proc/uptime").split()[0])
