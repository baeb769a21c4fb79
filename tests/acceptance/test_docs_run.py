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

import psycopg
import pytest
from sqlalchemy import make_url

from tests.conftest import with_database
from tests.support.docs import DOCUMENTS, ROOT, blocks, write_files
from tests.support.pictures import png
from tests.support.pooler import program
from tests.support.postgres import any_programs, execute, free_port, unprivileged
from tests.support.printing import tool
from tests.support.processes import kill_group, spawn
from tests.support.running import eventually
from tests.support.stories import NOT_TYPED, STORIES, Story
from tests.support.typed import Block, assert_shown, blocks_of, plain_environment, type_in

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

BLOCKS = {document: blocks_of(document, ROOT) for document in DOCUMENTS}
TYPED: dict[Path, list[Block]] = {
    document: chosen
    for document, found in BLOCKS.items()
    if (chosen := [block for block in found if block.name not in NOT_TYPED])
}


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples, a picture, and the database of a demo that has ended."""
    folder = tmp_path_factory.mktemp("written")
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / "front.png").write_bytes(png(60, 90))
    environment = plain_environment(folder)
    subprocess.run(
        ["bookbot-worker", "demo"], cwd=folder, env=environment, check=True, capture_output=True, timeout=200
    )
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
    if "{postgres}" in wanted or "{pooler}" in wanted:
        execute(server, f"CREATE DATABASE {name}")
        made["postgres"] = with_database(server, name)
    if "{migrated}" in wanted:
        execute(server, f"CREATE DATABASE {name} TEMPLATE {request.getfixturevalue('postgres_template')}")
        made["migrated"] = with_database(server, name)
    with contextlib.ExitStack() as stack:
        if "{pooler}" in wanted:
            folder: Path = request.getfixturevalue("tmp_path")
            made["pooler"] = str(stack.enter_context(pooler_of_the_page(made["postgres"], folder)))
        yield made
    if len(made) > 1:
        execute(server, f"DROP DATABASE {name} WITH (FORCE)")
    execute(server, f"DROP ROLE IF EXISTS {name}")


@contextlib.contextmanager
def pooler_of_the_page(url: str, folder: Path) -> Iterator[int]:
    """PgBouncer with the files that docs/pgbouncer.md shows, but for ports and where the server is; yields its port."""
    page, server, port = ROOT / "docs" / "pgbouncer.md", make_url(url), free_port()
    (config,) = blocks(page, "ini")
    (users,) = blocks(page, "text")
    here = f"host={server.host} port={server.port} dbname={server.database} user={server.username}"
    here += f" password={server.password}" if server.password else ""
    changes = {
        "host=db.example.com port=5432 dbname=bookbot": here
        + (f" password={server.password}" if server.password else ""),
        "listen_port = 6432": f"listen_port = {port}\nunix_socket_dir =",
        "/etc/pgbouncer/userlist.txt": str(folder / "userlist.txt"),
    }
    for written_there, meant in changes.items():
        assert config.count(written_there) == 1
        config = config.replace(written_there, meant)
    (folder / "pgbouncer.ini").write_text(config)
    (folder / "userlist.txt").write_text(users)
    with (folder / "pgbouncer.log").open("wb") as log:
        started = spawn([*unprivileged(), program(), str(folder / "pgbouncer.ini")], stdout=log, stderr=log)
    try:
        through = f"postgresql://bookbot:choose%20one@127.0.0.1:{port}/bookbot"

        def answers() -> bool:
            assert started.poll() is None, (folder / "pgbouncer.log").read_text()
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(through, connect_timeout=5).close()
                return True
            return False

        eventually(answers)
        yield port
    finally:
        kill_group(started)


@pytest.mark.parametrize("document", TYPED, ids=lambda path: path.name)
def test_the_commands_of_a_page_work_as_typed(
    document: Path, written: Path, tmp_path: Path, databases: dict[str, str]
) -> None:
    if any("curl " in block.typed for block in TYPED[document]):
        tool("curl", "curl")
    folder = tmp_path / "reader"
    shutil.copytree(written, folder)
    write_files(document, folder)
    story = STORIES.get(document.relative_to(ROOT).as_posix(), Story())
    ids = names_in(folder / "bookbot.db")
    values = {"port": str(free_port()), "another_port": str(free_port()), **databases}
    environment = plain_environment(folder, book=ids["book"], scene=ids["scene"])
    environment["PATH"] += os.pathsep + str(any_programs())
    instead = {"JOB_ID": ids["JOB_ID"]} | {name: filled(meant, values) for name, meant in story.instead.items()}
    before, after = filled(story.before, values), filled(story.after, values)
    said = type_in(TYPED[document], folder, environment, before=before, after=after, instead=instead)
    for block, answer in zip(TYPED[document], said, strict=True):
        assert_shown(block, answer)
    whole = "\n".join(said)
    assert [pattern for pattern in story.printed if not re.search(pattern, whole, re.MULTILINE)] == [], whole


def filled(text: str, values: dict[str, str]) -> str:
    """`text` with "{port}" and the like filled in; other braces are the shell's."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), text)


def test_what_is_not_typed_is_on_a_page_and_covered_elsewhere() -> None:
    names = [block.name for found in BLOCKS.values() for block in found]
    assert [name for name in NOT_TYPED if names.count(name) != 1] == []
    for (page, _), elsewhere in NOT_TYPED.items():
        covering = ROOT / elsewhere.covered_by
        assert covering.is_file(), elsewhere.covered_by
        if elsewhere.reason.endswith("there"):
            assert Path(page).name in covering.read_text(encoding="utf-8")


def test_every_shell_block_is_seen_and_every_story_has_its_page() -> None:
    fences = sum(
        len(re.findall(r"^ *(?:```|~~~)(?:sh|bash|shell|console)\b", path.read_text(), re.MULTILINE))
        for path in DOCUMENTS
    )
    assert fences == sum(map(len, BLOCKS.values()))
    assert {ROOT / page for page in STORIES} <= set(TYPED)
