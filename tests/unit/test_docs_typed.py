"""What compares a page with what was printed: it sees every difference but those of ids, times and widths."""

from pathlib import Path

import pytest

from tests.support.typed import Block, assert_shown, blocks_of, plain_environment, type_in

pytestmark = pytest.mark.unit

ID, OTHER_ID = "01a21411-f0ad-7108-8841-bc0a50f0a335", "01a2140a-e060-708c-b90f-5d49264c53dc"
PAGE = "# A page\n\n```sh\necho one\n```\n\nWords.\n\n```sh\necho two\n```\n\n```text\ntwo\n```\n"


def block(shown: str) -> Block:
    return Block("page.md", "a command\n", shown)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (f"book {ID}  at 2026-11-25 18:57:32Z", f"book {OTHER_ID} at 2030-01-01T00:00:00.123Z"),
        ("took 3 s", "took 12.5 ms"),
        ("one\n…\nfour", "one\ntwo\nthree\nfour"),
        ("…\nlast", "last"),
        ("0009 (was empty)", "0023 (was empty)"),
    ],
)
def test_what_may_vary_varies(shown: str, said: str) -> None:
    assert_shown(block(shown), said)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("one", "two"),
        ("one", "one\ntwo"),
        ("one\ntwo", "one"),
        ("one\n…\nfour", "one\ntwo"),
        ("493 words", "494 words"),
        (f"book {ID}", "book none"),
    ],
)
def test_any_other_difference_is_seen(shown: str, said: str) -> None:
    with pytest.raises(AssertionError, match="shows"):
        assert_shown(block(shown), said)


@pytest.fixture
def page(tmp_path: Path) -> list[Block]:
    """A page of two blocks, of which the second shows its answer."""
    (tmp_path / "page.md").write_text(PAGE)
    return blocks_of(tmp_path / "page.md", tmp_path)


def test_each_block_has_its_own_answer(page: list[Block], tmp_path: Path) -> None:
    assert [found.shown for found in page] == [None, "two\n"]
    said = type_in(page, tmp_path, plain_environment(tmp_path), before="echo zero", instead={"echo one": "echo 1"})
    assert [answer.strip() for answer in said] == ["1", "two"]


def test_a_command_that_fails_or_never_ends_fails_with_what_was_said(page: list[Block], tmp_path: Path) -> None:
    environment = plain_environment(tmp_path)
    with pytest.raises(AssertionError, match=r"exit code 3 (?s:.)*two"):
        type_in(page, tmp_path, environment, after="exit 3")
    with pytest.raises(AssertionError, match="exit code None"):
        type_in(page, tmp_path, environment, after="sleep 60", seconds=1)
