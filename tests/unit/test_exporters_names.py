"""File names made from titles are safe wherever they end up."""

import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.file_names import file_name
from tests.unit.test_exporters_hostile import HOSTILE_TITLES

pytestmark = pytest.mark.unit

PIECES = [
    "../",
    "..\\",
    "C:",
    "\\\\host\\share",
    "con",
    "NUL.",
    "lpt1",
    "...",
    "-rf",
    "~",
    "e\u0301",
    "👩‍🚀",
    " ",
    "字" * 50,
]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("The Salt Ledger", "The Salt Ledger.epub"),
        ("Who? What: a/b", "Who What a b.epub"),
        ("../../etc/passwd", "etc passwd.epub"),
        ("-rf", "rf.epub"),
        (".hidden", "hidden.epub"),
        ("Ends with dots...", "Ends with dots.epub"),
        ("con", "book con.epub"),
        ("Nul.tar", "book Nul.tar.epub"),
        ("Constance", "Constance.epub"),
        ("\u202egnp.exe", "gnp.exe.epub"),
        ("a\x00b\r\nc", "ab c.epub"),
        ("???", "book.epub"),
        ("", "book.epub"),
        ("塩の帳簿", "塩の帳簿.epub"),
        ("Cafe\u0301", "Caf\u00e9.epub"),
        ("x" * 500, "x" * 75 + ".epub"),
        ("👩" * 100, "👩" * 48 + ".epub"),
    ],
)
def test_a_name_shows_its_title(title: str, name: str) -> None:
    assert file_name(title, "epub") == name


@given(st.one_of(st.text(st.characters(exclude_categories=())), st.lists(st.sampled_from(PIECES)).map("".join)))
@example("\ud800")
@example("a." + "b" * 73 + ". ")
def test_a_name_is_safe_whatever_the_title(title: str) -> None:
    name = file_name(title, "md")
    assert name.endswith(".md")
    assert len(name) <= 80
    assert len(name.encode()) <= 200
    assert PurePosixPath(name).name == PureWindowsPath(name).name == name
    assert name[0] not in ".-~ "
    assert name.removesuffix(".md")[-1] not in ". "
    assert not set('/\\:*?"<>|') & set(name)
    assert not any(unicodedata.category(character)[0] == "C" for character in name)
    device = name.split(".")[0].strip().upper()
    assert device not in {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
    assert not (device[:3] in {"COM", "LPT"} and len(device) == 4 and device[3] in "0123456789¹²³")


@pytest.mark.parametrize("title", HOSTILE_TITLES, ids=lambda title: ascii(title)[:30])
def test_a_name_of_a_name_is_the_same(title: str) -> None:
    name = file_name(title, "epub")
    assert file_name(name.removesuffix(".epub"), "epub") == name
