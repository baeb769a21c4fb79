"""The image and `compose.yaml`: nothing runs as root, nobody is killed too early, no secret has a default."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bookbot_worker.daemon import LATE_END
from shared.settings import Settings
from tests.support.docs import ROOT

pytestmark = pytest.mark.unit

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if name != "db"}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_image_is_not_root_s() -> None:
    [user] = re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE)
    assert user == "10001:10001"


def test_what_is_copied_is_all_that_the_build_is_given_and_is_there() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == names
    assert [name for name in names if not Path(ROOT / name).exists()] == []


def test_one_image_serves_all() -> None:
    assert set(OURS) == {"migrate", "web", "worker"}
    assert len({service["image"] for service in OURS.values()}) == 1


@pytest.mark.parametrize("name", OURS)
def test_a_container_may_do_as_little_as_it_needs(name: str) -> None:
    service = OURS[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert "no-new-privileges:true" in service["security_opt"]


def test_docker_waits_longer_than_the_worker_drains() -> None:
    drain, grace = (Settings.model_fields[name].default for name in ("drain_seconds", "stop_grace_seconds"))
    assert int(OURS["worker"]["stop_grace_period"].removesuffix("s")) >= drain + grace + LATE_END + 5


def test_what_runs_is_watched_and_starts_after_the_upgrade() -> None:
    for name in ("web", "worker"):
        assert OURS[name]["healthcheck"]["test"][0] == "CMD"
        assert OURS[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert OURS["migrate"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert COMPOSE["services"]["db"]["healthcheck"]["test"][1] == "pg_isready"


def test_only_this_machine_reaches_the_web_tier_and_nobody_the_database() -> None:
    assert [port for service in OURS.values() for port in service.get("ports", [])] == [
        "127.0.0.1:${WEB_PORT:-8000}:8000"
    ]
    assert "ports" not in COMPOSE["services"]["db"]


def test_no_secret_has_a_default() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    for name in ("POSTGRES_PASSWORD", "BOOKBOT_WEB_TOKEN"):
        uses = re.findall(rf"\$\{{{name}(..)", text)
        assert uses
        assert set(uses) == {":?"}
