"""Queues, schedules, bulk changes, pruning and figures by the command line."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from bookbot_worker.cli.main import main
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from shared.clock import db_now, db_now_plus
from shared.ids import new_id
from shared.models import Job
from tests.support.claims import add_worker

pytestmark = [pytest.mark.acceptance, pytest.mark.usefixtures("environment")]


def cli(*arguments: str, code: int = 0, text: str | None = None) -> Result:
    result = CliRunner().invoke(main, list(arguments), input=text)
    assert result.exit_code == code, (result.output, result.stderr)
    if code:
        assert len(result.stderr.strip().splitlines()) == 1
    return result


def read(*arguments: str) -> Any:
    return json.loads(cli(*arguments, "--json").stdout)


def enqueue(*options: str) -> str:
    return cli("jobs", "enqueue", "demo", *options).stdout.strip()


def end(engine: Engine, *job_ids: str, state: str = "error", days: float = 0) -> None:
    with Session(engine) as session, session.begin():
        ended = update(Job).where(Job.job_id.in_(job_ids))
        session.execute(ended.values(state=state, completed_at=db_now_plus(-86_400 * days), started_at=db_now()))


def test_a_queue_is_paused_resumed_and_limited(engine: Engine) -> None:
    enqueue("--queue", "side")
    assert cli("queues", "pause", "side").stdout.splitlines()[1].split("\t")[:2] == ["side", "paused"]
    claimant = Claimant(new_id(), ("demo",))
    assert claim(engine, claimant, 5) == []
    assert read("queues", "resume", "side")["paused_at"] is None
    assert read("queues", "limit", "side", "1")["max_running"] == 1
    assert len(claim(engine, claimant, 5)) == 1
    enqueue("--queue", "side")
    (row,) = read("queues", "list")
    assert (row["waiting"], row["due"], row["running"], row["workers"]) == (1, 1, 1, 0)
    assert "\tfull\t" in cli("queues", "list").stdout
    assert read("queues", "limit", "side", "--none")["max_running"] is None
    assert "\tunserved\t" in cli("queues", "list").stdout


def test_a_job_type_is_limited() -> None:
    assert read("queues", "limit", "--type", "demo", "2") == [{"job_type": "demo", "max_running": 2, "running": 0}]
    assert read("queues", "list", "--types")[0]["job_type"] == "demo"
    cli("queues", "limit", "--type", "demo", "--none")
    assert read("queues", "list", "--types") == []
    assert "no job type 'dem'" in cli("queues", "limit", "--type", "dem", "2", code=2).stderr


@pytest.mark.parametrize(
    "arguments",
    [("limit",), ("limit", "side"), ("limit", "side", "-1"), ("limit", "side", "3", "--none"), ("pause", " "),
     ("limit", "side", "3", "--type", "demo"), ("limit", "side", "9999999"), ("pause", "x" * 65)],
)  # fmt: skip
def test_a_rule_that_makes_no_sense_is_refused(arguments: tuple[str, ...]) -> None:
    cli("queues", *arguments, code=2)


def test_a_schedule_from_its_creation_to_its_end() -> None:
    create = ("schedules", "create", "nightly", "--cron", "0 3 * * *", "--type", "demo")
    assert cli(*create, "--timezone", "Europe/Lisbon", "--props", '{"steps": 1}').stdout == "nightly\n"
    assert "already" in cli(*create, code=1).stderr
    assert read("schedules", "show", "nightly")["props"] == {"steps": 1}
    assert "next ticks:" in cli("schedules", "show", "nightly").stdout
    job_id = cli("schedules", "run", "nightly").stdout.strip()
    assert read("jobs", "show", job_id)["props"] == {"steps": 1}
    assert read("schedules", "disable", "nightly")["next_run_at"] is None
    assert "\tdisabled\t" in cli("schedules", "list").stdout
    assert read("schedules", "enable", "nightly")["next_run_at"]
    cli(*create, "--replace", "--catch-up", "all")
    assert read("schedules", "list")[0]["catch_up"] == "all"
    cli("schedules", "delete", "nightly")
    assert read("schedules", "list") == []
    assert "there is no schedule 'nightly'" in cli("schedules", "show", "nightly", code=3).stderr


def test_a_cron_expression_that_is_none_is_explained() -> None:
    result = cli("schedules", "create", "x", "--cron", "every day", "--type", "demo", code=2)
    assert "is no cron expression: wrong number of fields; such as: 0 3 * * *" in result.stderr


def test_jobs_are_called_off_by_filter() -> None:
    side = [enqueue("--queue", "side") for _ in range(3)]
    other = enqueue()
    assert read("jobs", "cancel", "--queue", "side", "--dry-run") == {"matching": 3, "is_capped": False}
    assert "Cancel 3 jobs" in cli("jobs", "cancel", "--queue", "side", code=2).stderr
    assert read("jobs", "cancel", "--queue", "side", "--yes") == {"changed": 3, "asked_to_stop": 0, "skipped": {}}
    assert {read("jobs", "show", job_id)["state"] for job_id in side} == {"cancelled"}
    assert read("jobs", "show", other)["state"] == "waiting"
    assert cli("jobs", "cancel", "--all", "--yes").stdout == "1\n"


def test_jobs_run_again_by_filter(engine: Engine) -> None:
    broken, done = enqueue(), enqueue()
    end(engine, broken)
    end(engine, done, state="completed")
    assert cli("jobs", "retry", "--type", "demo", "--yes").stdout == "1\n"
    assert [read("jobs", "show", job_id)["state"] for job_id in (broken, done)] == ["waiting", "completed"]


@pytest.mark.parametrize(
    "arguments",
    [("cancel",), ("cancel", "--state", "completed", "--yes"), ("retry", "--state", "running", "--yes"), ("retry",),
     ("cancel", "--all", "--queue", "x", "--yes"), ("retry", "--all", "--failed-children", "--yes"),
     ("cancel", "00000000", "--queue", "side"), ("cancel", "--older-than", "soon", "--yes")],
)  # fmt: skip
def test_a_filter_that_makes_no_sense_is_refused(arguments: tuple[str, ...]) -> None:
    cli("jobs", *arguments, code=2)


def test_old_jobs_are_forgotten(engine: Engine) -> None:
    old, young = enqueue(), enqueue()
    end(engine, old, days=40)
    end(engine, young)
    assert read("prune", "--older-than", "30d", "--dry-run")["jobs"] == 1
    assert "Forget 1 jobs" in cli("prune", "--older-than", "30d", code=2).stderr
    assert read("prune", "--older-than", "30d", "--yes")["jobs"] == 1
    cli("jobs", "show", old, code=3)
    assert cli("prune", "--older-than", "0s", "--state", "error", "--yes").stdout.startswith("Forgot 1 jobs")
    assert read("jobs", "list") == []
    assert young != old


def test_stats_tell_what_waits_runs_and_ended(engine: Engine) -> None:
    add_worker(engine, lease=60, concurrency=7)
    jobs = [enqueue() for _ in range(4)]
    end(engine, jobs[0])
    end(engine, jobs[1], state="completed")
    end(engine, jobs[2], days=2)
    found = read("stats")
    assert (found["waiting"], found["running"], found["workers"], found["slots"]) == (1, 0, 1, 7)
    assert found["finished"] == {"cancelled": 0, "completed": 1, "error": 1, "failed": 0}
    assert found["wait_seconds"]["max"] >= 0
    assert found["oldest_due_at"]
    assert read("stats", "--window", "7d")["finished"]["error"] == 2
    assert "1 completed, 1 error" in cli("stats").stdout
    for window in ("8d", "0s", "x"):
        cli("stats", "--window", window, code=2)
