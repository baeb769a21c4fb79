"""What errors say: the database in its own words, no password, no code for the terminal; and what --help promises."""

import sqlite3

import click
import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy.exc import OperationalError

from bookbot_worker.cli.explaining import explain, traceback_of
from bookbot_worker.cli.main import FAMILIES, main
from bookbot_worker.cli.output import one_line, shown
from shared.errors import BookbotError

pytestmark = pytest.mark.acceptance

INVISIBLE = "\x1b\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff\x85"


def test_the_list_of_families_is_that_of_the_commands() -> None:
    context = click.Context(main)
    assert list(FAMILIES) == main.list_commands(context)
    for name, text in FAMILIES.items():
        command = main.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(200) == text
        assert text in CliRunner().invoke(main, ["--help"]).stdout


def test_a_driver_speaks_for_the_database_wrapped_or_not() -> None:
    for error in (psycopg.OperationalError("gone\n\taway"), sqlite3.OperationalError("gone away")):
        assert explain(error) == ("the database answers: gone away", 1)
        assert explain(OperationalError("SELECT 1", {}, error)) == ("the database answers: gone away", 1)


@pytest.mark.parametrize("password", ["hunter2", "hunter2@more", "hunter2/more", "@hunter2@", "hunter2:more?more#"])
def test_no_error_shows_a_password(password: str) -> None:
    url = f"postgresql://someone:{password}@127.0.0.1:5432/d"
    for error in (psycopg.OperationalError(url), BookbotError(f"no {url} there"), ValueError(url), OSError(url)):
        for text in (explain(error)[0], traceback_of(error)):
            assert "hunter2" not in text
            assert "more" not in text
            assert "someone:***@127.0.0.1:5432/d" in text


def test_invisible_characters_become_visible() -> None:
    for character in INVISIBLE:
        for text in (shown(f"a{character}b"), one_line(f"a{character}b"), shown([f"a{character}b"])):
            assert f"\\u{ord(character):04x}" in text
            assert character not in text
    assert character not in explain(ValueError(INVISIBLE))[0]
    assert "\x1b" not in traceback_of(ValueError(INVISIBLE))


def test_a_prefix_that_fits_several_shows_whole_ids(environment: dict[str, str]) -> None:
    assert environment
    ids = [CliRunner().invoke(main, ["jobs", "enqueue", "demo"]).stdout.strip() for _ in range(2)]
    result = CliRunner().invoke(main, ["jobs", "list", "--parent", ids[0][:4]])
    assert result.exit_code == 2
    assert "fits several" in result.stderr
    assert all(job_id in result.stderr for job_id in ids)
