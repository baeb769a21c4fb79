"""From stored scenes to a manuscript: reading order, what is printed and what is skipped.

Owns also how chapters are numbered, which words the colophon has, and where parts begin. It knows no format and no
database.
"""

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bookbot_worker.exporters.manuscript import Chapter, Manuscript, Part, Scene, Section
from bookbot_worker.exporters.vocabulary import terms
from bookbot_worker.exporters.words import language_tag, one_line, printable
from shared.errors import BookbotError
from shared.export_props import Numbering

OFFLINE_PROVIDER = "offline"

_SCENE_ID = re.compile(r"[ \t]{0,8}\[\[\s*scene\s+\d{1,9}\s*\]\]", re.IGNORECASE)
# "Setting: Port Annis" on a line of its own stays so: in Markdown it would run on after the line before.
_LABELLED_LINE = re.compile(r"(?<=\S)\n(?=[^\W\d_][^\n:]{0,30}: )")
_ROMAN = (
    *((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC")),
    *((50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)


class NothingWritten(BookbotError):
    """The book has no scene with text, so there is nothing to export."""

    def __init__(self) -> None:
        super().__init__("nothing written yet: run generate_book first")


@dataclass(frozen=True, slots=True)
class SceneRow:
    """A stored scene. `chapter` is None outside chapters.

    `props` may hold title, chapter_title, part_title, matter, provider, model.
    """

    chapter: int | None
    position: float
    props: Mapping[str, Any]
    text: str
    word_count: int
    created_at: datetime


def build(
    *,
    title: str,
    author: str,
    language: str,
    book_id: str,
    rows: Iterable[SceneRow],
    numbering: Numbering = "arabic",
    outline: str = "",
    characters: str = "",
) -> Manuscript:
    """The manuscript of a book, in the order of the rows' positions; scenes without text are skipped.

    Scenes of one chapter number form one chapter, where its first scene stands; a scene outside chapters joins the
    chapter before it. A scene whose props say `matter`: "front" or "back" is a section there. `outline` and
    `characters` are printed at the back where they are not empty. Raises NothingWritten where no scene has text.
    """
    ordered = sorted(rows, key=lambda row: row.position)
    written = [(row, text) for row in ordered if (text := _body(row.text))]
    chapters = _by_chapter([(row, text) for row, text in written if _matter(row) == ""])
    if not chapters:
        raise NothingWritten
    tag = language_tag(language)
    words = terms(tag)
    added = ((words.outline, _plan(_SCENE_ID.sub("", outline))), (words.characters, _plan(characters)))
    return Manuscript(
        title=one_line(title) or "Untitled",
        author=one_line(author),
        language=tag,
        identifier=uuid.UUID(book_id).urn,
        modified=max(row.created_at for row in ordered),
        front=tuple(_section(row, text) for row, text in written if _matter(row) == "front"),
        parts=tuple(_parts(chapters, numbering, words.chapter)),
        back=(
            *(_section(row, text) for row, text in written if _matter(row) == "back"),
            *(Section(name, text) for name, text in added if text),
        ),
        colophon=_colophon([row.props for row, _ in written]),
    )


def _body(text: str) -> str:
    """The printable text without empty lines around it; "" where nothing is left."""
    body = printable(text).strip("\n ")
    return body if body.strip() else ""


def _plan(text: str) -> str:
    """The printable text of an outline or of characters, whose labelled lines stay lines."""
    return _LABELLED_LINE.sub("\\\\\n", _body(text))


def _matter(row: SceneRow) -> str:
    named = _prop(row.props, "matter")
    return named if named in ("front", "back") else ""


def _section(row: SceneRow, text: str) -> Section:
    return Section(_prop(row.props, "title"), text)


def _by_chapter(written: Sequence[tuple[SceneRow, str]]) -> dict[int, list[tuple[SceneRow, str]]]:
    chapters: dict[int, list[tuple[SceneRow, str]]] = {}
    number = next((row.chapter for row, _ in written if row.chapter is not None), 1)
    for row, text in written:
        number = number if row.chapter is None else row.chapter
        chapters.setdefault(number, []).append((row, text))
    return chapters


def _parts(chapters: Mapping[int, list[tuple[SceneRow, str]]], numbering: Numbering, unnamed: str) -> Iterable[Part]:
    """A chapter whose scenes name another part (`part_title`) than the chapter before begins that part."""
    title, inside = "", list[Chapter]()
    for number, rows in chapters.items():
        named = _first(rows, "part_title") or title
        if named != title and inside:
            yield Part(title, tuple(inside))
            inside = []
        title = named
        inside.append(_chapter(number, rows, numbering, unnamed))
    yield Part(title, tuple(inside))


def _chapter(number: int, rows: Sequence[tuple[SceneRow, str]], numbering: Numbering, unnamed: str) -> Chapter:
    title = _first(rows, "chapter_title")
    printed = _roman(number) if numbering == "roman" else str(number)
    # A title that carries its number ("Chapter 3: Salt", "Chapter 3") is not numbered a second time.
    is_numbered = not title or numbering == "none" or re.search(rf"(?<!\d){number}(?!\d)", title)
    scenes = tuple(Scene(_prop(row.props, "title"), text, row.word_count or len(text.split())) for row, text in rows)
    return Chapter(number, "" if is_numbered else printed, title or unnamed.format(printed), scenes)


def _roman(number: int) -> str:
    """MCMXC; numbers that have no Roman form stay as they are."""
    if not 0 < number < 4000:
        return str(number)
    letters = ""
    for value, letter in _ROMAN:
        count, number = divmod(number, value)
        letters += letter * count
    return letters


def _first(rows: Sequence[tuple[SceneRow, str]], name: str) -> str:
    return next((value for row, _ in rows if (value := _prop(row.props, name))), "")


def _colophon(props: list[Mapping[str, Any]]) -> str:
    sentences = ["This book was made with BookBot."]
    has_offline = any(_prop(scene, "provider") == OFFLINE_PROVIDER for scene in props)
    models = {_prop(scene, "model") for scene in props if _prop(scene, "provider") != OFFLINE_PROVIDER} - {""}
    if has_offline:
        share = "Parts of its text were" if models else "Its text was"
        sentences.append(
            f"{share} composed by BookBot’s offline author, a demonstration generator, "
            "not by a person or a language model."
        )
    if models:
        share = "Other parts were" if has_offline else "Its text was"
        kind = "model" if len(models) == 1 else "models"
        sentences.append(f"{share} written with the language {kind} {', '.join(sorted(models))}.")
    return " ".join(sentences)


def _prop(props: Mapping[str, Any], name: str) -> str:
    """A text property as a line; "" where it is missing or no text."""
    value = props.get(name)
    return one_line(value) if isinstance(value, str) else ""
