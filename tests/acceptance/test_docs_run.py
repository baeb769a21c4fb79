"""Every shell block of the documents is typed as it stands, page by page, in a folder of its own, or says why not."""

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.docs import DOCUMENTS, ROOT, write_files
from tests.support.pictures import png
from tests.support.postgres import any_programs, execute, free_port
from tests.support.stories import NOT_TYPED, STORIES, Story
from tests.support.typed import Block, assert_shown, blocks_of, plain_environment, type_in
from tests.conftest import with_database

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

BLOCKS = {document: blocks_of(document, ROOT) for document in DOCUMENTS}
TYPED: dict[Path, list[Block]] = {
    document: chosen
    for document, blocks in BLOCKS.items()
    if (chosen := [block for block in blocks if block.name not in NOT_TYPED])
}


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples, a picture, and the database of a demo that has ended."""
    folder = tmp_path_factory.mktemp("written")
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / "front.png").write_bytes(png(60, 90))
    environment = plain_environment(folder)
    subprocess.run(["bookbot-worker", "demo"], cwd=folder, env=environment, check=True, capture_output=True, timeout=200)
    (folder / "bookbot-demo" / "bookbot.db").rename(folder / "bookbot.db")
    shutil.rmtree(folder / "bookbot-demo")
    return folder


def names_in(database: Path) -> dict[str, str]:
    """The ids that the pages call $book, $scene and JOB_ID."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        query = "SELECT book_id, chunk_id, job_id FROM chunks WHERE type = 'scene' AND is_latest ORDER BY position"
        found = connection.execute(query).fetchone()
    return dict(zip(("book", "scene", "JOB_ID"), (str(uuid.UUID(each)) for each in found), strict=True))


@pytest.fixture
def databases(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """What stands for a page's PostgreSQL, made when a page asks for it: an empty database, and a role of its own."""
    server, name = os.environ["TEST_SERVER_URL"], f"page_{uuid.uuid4().hex[:12]}"
    story = STORIES.get(request.node.callspec.params["document"].relative_to(ROOT).as_posix(), Story())
    wanted = " ".join([story.before, *story.instead.values()])
    made = {"role": name}
    if "{postgres}" in wanted:
        execute(server, f"CREATE DATABASE {name}")
        made["postgres"] = with_database(server, name)
    if "{migrated}" in wanted:
        execute(server, f"CREATE DATABASE {name} TEMPLATE {request.getfixturevalue('postgres_template')}")
        made["migrated"] = with_database(server, name)
    yield made
    if len(made) > 1:
        execute(server, f"DROP DATABASE {name} WITH (FORCE)")
    execute(server, f"DROP ROLE IF EXISTS {name}")


@pytest.mark.parametrize("document", TYPED, ids=lambda path: path.name)
def test_the_commands_of_a_page_work_as_typed(
    document: Path, written: Path, tmp_path: Path, databases: dict[str, str]
) -> None:
    folder = tmp_path / "reader"
    shutil.copytree(written, folder)
    write_files(document, folder)
    story = STORIES.get(document.relative_to(ROOT).as_posix(), Story())
    ids = names_in(folder / "bookbot.db")
    values = {"port": str(free_port()), **databases}
    environment = plain_environment(folder, book=ids["book"], scene=ids["scene"])
    environment["PATH"] += os.pathsep + str(any_programs())
    instead = {"JOB_ID": ids["JOB_ID"]} | {name: filled(meant, values) for name, meant in story.instead.items()}
    said = type_in(TYPED[document], folder, environment, before=filled(story.before, values), instead=instead)
    for block, answer in zip(TYPED[document], said, strict=True):
        assert_shown(block, answer)
    whole = "\n".join(said)
    assert [pattern for pattern in story.printed if not re.search(pattern, whole, re.MULTILINE)] == [], whole


def filled(text: str, values: dict[str, str]) -> str:
    """`text` with "{port}" and the like filled in; other braces are the shell's."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), text)


def test_what_is_not_typed_is_on_a_page_and_covered_elsewhere() -> None:
    names = [block.name for blocks in BLOCKS.values() for block in blocks]
    assert [name for name in NOT_TYPED if names.count(name) != 1] == []
    for (page, _), elsewhere in NOT_TYPED.items():
        covering = ROOT / elsewhere.covered_by
        assert covering.is_file(), elsewhere.covered_by
        if elsewhere.reason.endswith("there"):
            assert Path(page).name in covering.read_text(encoding="utf-8")


def test_every_shell_block_is_seen_and_every_story_has_its_page() -> None:
    fences = sum(len(re.findall(r"^ *(?:```|~~~)(?:sh|bash|shell|console)\b", path.read_text(), re.M)) for path in DOCUMENTS)
    assert fences == sum(map(len, BLOCKS.values()))
    assert {ROOT / page for page in STORIES} <= set(TYPED)
