"""Markdown becomes blocks: footnotes find their marks, limits hold, and nothing unprintable gets through."""

import contextlib
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookbot_worker.exporters.blocks import Heading, Link, NoteMark, Paragraph, Quote, Text, visible
from bookbot_worker.exporters.commonmark import MAX_DEPTH
from bookbot_worker.exporters.reading import is_safe_target, read
from bookbot_worker.exporters.words import printable
from shared.covers import MAX_BYTES, MAX_SIDE, cover_of
from shared.errors import InvalidInput
from tests.support.pictures import png
from tests.unit.test_exporters_hostile import HOSTILE_TEXTS, is_document_character
from tests.unit.test_exporters_markdown import LINES, MARKUP

pytestmark = pytest.mark.unit

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=200)
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0000b0802580190010111 00") + b"\xff\xd9"


def nodes(tree: Any, depth: int = 0) -> list[tuple[Any, int]]:
    """Every dataclass in a tree, with how many stand around it."""
    if isinstance(tree, tuple):
        return [found for child in tree for found in nodes(child, depth)]
    if not is_dataclass(tree):
        return []
    inside = [found for part in fields(tree) for found in nodes(getattr(tree, part.name), depth + 1)]
    return [(tree, depth), *inside]


def strings(tree: Any) -> list[str]:
    return [
        value for node, _ in nodes(tree) for part in fields(node) if isinstance(value := getattr(node, part.name), str)
    ]


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: ascii(text)[:30])
def test_hostile_text_is_a_bounded_tree(text: str) -> None:
    assert_is_bounded(text)


@given(st.one_of(ANYTHING, MARKUP, st.lists(st.sampled_from(LINES), max_size=12).map("\n".join)))
def test_any_text_is_a_bounded_tree(text: str) -> None:
    assert_is_bounded(text)


def assert_is_bounded(text: str) -> None:
    content = read([printable(text), printable(text)])
    for node, depth in nodes(content):
        assert depth <= 2 * MAX_DEPTH + 3
        if isinstance(node, Link):
            assert is_safe_target(node.target)
            assert not [inner for inner, _ in nodes(node.children) if isinstance(inner, Link)]
        if isinstance(node, Heading):
            assert 1 <= node.level <= 6
    assert all(is_document_character(character) for string in strings(content) for character in string)
    marked = {node.number for node, _ in nodes(content.scenes) if isinstance(node, NoteMark)}
    assert [note.number for note in content.notes] == list(range(1, len(content.notes) + 1))
    assert marked == {note.number for note in content.notes}
    assert not [node for node, _ in nodes(content.notes) if isinstance(node, NoteMark)]


@given(st.text("abzé字א \"'{}$%;,.…“”—@\U0001f469", max_size=200))
def test_words_without_markup_are_all_there(text: str) -> None:
    assert visible(read([f"x {text} x"])).split() == f"x {text} x".split()


@pytest.mark.parametrize(
    ("text", "body", "notes"),
    [
        ("a[^1]\n\n[^1]: b", "a", ["b"]),
        ("[^z] [^y] [^z]\n\n[^y]: second\n\n[^z]: first", "", ["first", "second"]),
        ("a\n\n[^1]: lonely", "a lonely", []),
        ("a[^1]", "a[^1]", []),
        ("a[^1]\n\n[^1]: b[^2]\n\n[^2]: c", "a c", ["b[^2]"]),
        ("a[^1]\n\n[^1]: b\n[^1]: twice", "a twice", ["b"]),
        ("a^[b]", "a^[b]", []),
        ("> a[^1]\n>\n> [^1]: b\n\nc", "a c", ["b"]),
        ("a[^1]\n\n[^1]: b\n\n    - c", "a", ["b c"]),
    ],
)
def test_a_note_is_what_somebody_refers_to(text: str, body: str, notes: list[str]) -> None:
    content = read([text])
    assert visible(content).split() == body.split() + " ".join(notes).split()
    assert len(content.notes) == len(notes)


def test_a_scene_refers_only_to_its_own_notes() -> None:
    content = read(["a[^1]\n\n[^1]: b", "c[^1]", "d[^1]\n\n[^1]: e"])
    assert content.scenes == (
        (Paragraph((Text("a"), NoteMark(1))),),
        (Paragraph((Text("c[^1]"),)),),
        (Paragraph((Text("d"), NoteMark(2))),),
    )


def test_a_quotation_of_nothing_is_nothing() -> None:
    assert read(["> \n\na"]).scenes == ((Paragraph((Text("a"),)),),)
    assert read(["> a"]).scenes == ((Quote((Paragraph((Text("a"),)),)),),)


def test_a_cover_knows_its_kind_and_size() -> None:
    png_cover, jpeg = cover_of(png(60, 90)), cover_of(JPEG)
    assert (png_cover.media_type, png_cover.width, png_cover.height, png_cover.extension) == (
        "image/png",
        60,
        90,
        "png",
    )
    assert (jpeg.media_type, jpeg.width, jpeg.height, jpeg.extension) == ("image/jpeg", 400, 600, "jpg")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no whole PNG or JPEG"),
        (b"GIF89a", "is no whole PNG or JPEG"),
        (b"<svg onload='alert(1)'/>", "is no whole PNG or JPEG"),
        (png(60, 90)[:-8], "is no whole PNG or JPEG"),
        (JPEG[:-2], "is no whole PNG or JPEG"),
        (b"\xff\xd8\xff\xff\xff\xd9", "is no whole PNG or JPEG"),
        (png(0, 90), "0 × 90 pixels"),
        (png(10_001, 1), "10001 × 1 pixels"),
        (png(1, 1) + bytes(MAX_BYTES), "bytes, the limit is"),
    ],
)
def test_what_cannot_be_a_cover_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        cover_of(content)


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader_of_pictures(content: bytes) -> None:
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"):
        with contextlib.suppress(InvalidInput):
            cover = cover_of(start + content + b"\xff\xd9\x00")
            assert 0 < min(cover.width, cover.height) <= max(cover.width, cover.height) <= MAX_SIDE
