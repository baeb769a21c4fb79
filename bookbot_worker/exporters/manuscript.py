"""The manuscript: a book as all formats see it, built once from plain values.

Owns reading order, what is printed and what is skipped, and the colophon's words. It knows no format and no database.
Everything in a Manuscript is printable (see `words.py`), so that formats have only their own escaping to do.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bookbot_worker.exporters.words import language_tag, one_line, printable
from shared.errors import BookbotError

OFFLINE_PROVIDER = "offline"

Progress = Callable[[int, int], None]
"""Told (chapters done, chapters in all) while a format renders; it may raise to stop the rendering."""


class NothingWritten(BookbotError):
    """The book has no scene with text, so there is nothing to export."""

    def __init__(self) -> None:
        super().__init__("nothing written yet: run generate_book first")


@dataclass(frozen=True, slots=True)
class SceneRow:
    """A stored scene. `chapter` is None outside chapters; `props` may hold title, chapter_title, provider, model."""

    chapter: int | None
    position: float
    props: Mapping[str, Any]
    text: str
    word_count: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene with text (Markdown). Its title is for reference; it is not printed."""

    title: str
    text: str
    words: int


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter with at least one scene. `is_titled` is False where the title is only "Chapter n"."""

    number: int
    title: str
    scenes: tuple[Scene, ...]
    is_titled: bool = True


@dataclass(frozen=True, slots=True)
class Manuscript:
    """A whole book, ready for any format.

    `identifier` is "urn:uuid:…" and `modified` the time of the newest scene, so the same book gives the same bytes.
    `author` may be "" (nobody named), `language` is a BCP 47 tag.
    """

    title: str
    author: str
    language: str
    identifier: str
    modified: datetime
    chapters: tuple[Chapter, ...]
    colophon: str

    @property
    def words(self) -> int:
        """How many words the scenes have."""
        return sum(scene.words for chapter in self.chapters for scene in chapter.scenes)


def build(*, title: str, author: str, language: str, book_id: str, rows: Iterable[SceneRow]) -> Manuscript:
    """The manuscript of a book, in the order of the rows' positions; scenes without text are skipped.

    Scenes of one chapter number form one chapter, where its first scene stands; a scene outside chapters joins the
    chapter before it. Raises NothingWritten where no row has text.
    """
    ordered = sorted(rows, key=lambda row: row.position)
    written = [(row, text) for row in ordered if (text := printable(row.text).strip("\n ")).strip()]
    if not written:
        raise NothingWritten
    chapters: dict[int, list[tuple[SceneRow, str]]] = {}
    number = next((row.chapter for row, _ in written if row.chapter is not None), 1)
    for row, text in written:
        number = number if row.chapter is None else row.chapter
        chapters.setdefault(number, []).append((row, text))
    return Manuscript(
        title=one_line(title) or "Untitled",
        author=one_line(author),
        language=language_tag(language),
        identifier=uuid.UUID(book_id).urn,
        modified=max(row.created_at for row in ordered),
        chapters=tuple(_chapter(number, scenes) for number, scenes in chapters.items()),
        colophon=_colophon([row.props for row, _ in written]),
    )


def _chapter(number: int, rows: list[tuple[SceneRow, str]]) -> Chapter:
    title = next((title for row, _ in rows if (title := _prop(row.props, "chapter_title"))), "")
    scenes = tuple(Scene(_prop(row.props, "title"), text, row.word_count or len(text.split())) for row, text in rows)
    return Chapter(number, title or f"Chapter {number}", scenes, is_titled=bool(title))


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
