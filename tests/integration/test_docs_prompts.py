"""The commands of docs/prompts.md, typed into a shell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bookbot_worker.books import library
from bookbot_worker.jobs.versions import add_version
from shared.settings import Settings
from tests.support.docs import ROOT, blocks
from tests.support.product import chunks, work

pytestmark = pytest.mark.integration


def test_every_command_works_on_a_book(
    settings: Settings,
    session: Session,
    engine: Engine,
    environment: dict[str, str],
    book_id: str,
    foundation: str,
    tmp_path: Path,
) -> None:
    scene = session.merge(chunks(engine, book_id, "scene")[0])
    add_version(session, scene, "Ines wound the clock. “Late again,” said Paulo. " * 10, job_id=None)
    session.commit()
    script = "\n".join(["set -eu", *blocks(ROOT / "docs" / "prompts.md", "sh")])
    values = {"book": book_id, "scene": scene.chunk_id, "job": foundation}
    path = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script],
        env=environment | values | {"PATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "bots: 0 added, 0 changed, 0 removed" in done.stdout
    assert library.prompt("outline").split("\n")[0] in done.stdout
    assert (tmp_path / "prompts.yaml").read_text(encoding="utf-8").startswith("bots:\n- name: Novelist\n")
    work(settings)
    (reviewed,) = [scene for scene in chunks(engine, book_id, "scene") if scene.text]
    assert reviewed.props["mode"] == "edit"
    assert "review" not in reviewed.props
