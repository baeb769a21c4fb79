"""The outline of a book, as Markdown: chapters, scenes, and the `[[Scene n]]` that names a scene for good.

    # Title
    ## Chapter 1: Title
    ### Scene title [[Scene 1]]
    What happens.
    Characters: A, B
    Setting: X

Owns reading it and giving ids; `headings.py` decides what a line opens. Text in, values out; no database.
"""

import re
from dataclasses import dataclass, field

from bookbot_worker.books.headings import Heading, Kind, heading, plain

_SCENE_ID = re.compile(r"[ \t]{0,8}\[\[\s*scene\s+\d{1,9}\s*\]\]", re.IGNORECASE)
_LABEL = re.compile(
    r"^\s*(?:[-*+•]\s+|#{4,6}\s+)?[*_]{0,3}(?P<label>characters?|cast|settings?|locations?|places?)"
    r"(?:\s+present)?[*_]{0,3}\s*(?::[*_]{0,3}\s*(?P<value>.*)|$)",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^\s*[-*+•]\s+(?P<value>.+)$")
_SEPARATOR = re.compile(r"\s*(?:[,;/&]|\band\b)\s*")
_RULE = re.compile(r"^\s*([-*_])(?:\s*\1){2,}\s*$")

MOST_SCENES = 2_000
"""More than any novel has: an answer with more of them is no outline."""

_NOBODY = frozenset({"", "none", "nobody", "n/a", "-", "–", "—"})


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene. `section` is its whole text with heading, `summary` only what happens; names as written."""

    id: int
    title: str
    section: str
    summary: str
    characters: tuple[str, ...]
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chapter:
    """`number` counts from 1 in reading order, whatever the heading says; `title` may be empty."""

    number: int
    title: str
    scenes: tuple[Scene, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """`text` is the outline with an id in every scene heading; chapters without scenes are left out."""

    title: str
    chapters: tuple[Chapter, ...]
    text: str

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """All scenes in reading order."""
        return tuple(scene for chapter in self.chapters for scene in chapter.scenes)

    @property
    def tags(self) -> dict[str, list[str]]:
        """The names of all `characters` and `settings`, each once, in the order they come up."""
        people = (name for scene in self.scenes for name in scene.characters)
        places = (name for scene in self.scenes for name in scene.settings)
        return {"characters": list(dict.fromkeys(people)), "settings": list(dict.fromkeys(places))}


@dataclass(slots=True)
class _Open:
    """A scene being read: its heading and the lines so far."""

    heading: Heading
    lines: list[str] = field(default_factory=list)


def add_scene_ids(text: str) -> str:
    """`text` with `[[Scene n]]` in every scene heading. Doing it twice changes nothing.

    Ids that are there stay; headings without one, and second users of one, get the numbers after the highest.
    """
    marked = _headings(text)
    ids = [found.scene_id for _, found in marked if found is not None and found.kind is Kind.SCENE]
    free = max((number for number in ids if number is not None), default=0) + 1
    seen: set[int] = set()
    lines: list[str] = []
    for line, found in marked:
        if found is None or found.kind is not Kind.SCENE:
            lines.append(line)
            continue
        number = found.scene_id
        if number is None or number in seen:
            number, free = free, free + 1
        seen.add(number)
        lines += _with_id(line, found, number)
    return "\n".join(lines)


def parse(text: str) -> Outline:
    """The outline in `text`, scenes without an id numbered as by `add_scene_ids`. Accepts any text."""
    text = add_scene_ids(text)
    title = ""
    chapters: list[tuple[str, list[_Open]]] = [("", [])]
    current: _Open | None = None
    for line, found in _headings(text):
        if found is None:
            if current is not None:
                current.lines.append(line)
            continue
        current = None
        if found.kind is Kind.SCENE:
            current = _Open(found, [line])
            chapters[-1][1].append(current)
        elif found.kind is Kind.CHAPTER:
            chapters.append((found.title, []))
        elif found.kind is Kind.TITLE:
            title = title or found.title
    with_scenes = [(name, tuple(map(_scene, opened))) for name, opened in chapters if opened]
    return Outline(
        title,
        tuple(Chapter(number, name, scenes) for number, (name, scenes) in enumerate(with_scenes, 1)),
        text,
    )


def section(text: str, scene_id: int) -> str:
    """The section of one scene, heading included; "" where the outline has no such scene."""
    return next((scene.section for scene in parse(text).scenes if scene.id == scene_id), "")


def _headings(text: str) -> list[tuple[str, Heading | None]]:
    """Every line with what it opens; headings inside an aside open nothing, unless they carry a scene's id."""
    chapter_level: int | None = None
    aside_level = 8
    result = []
    for line in text.replace("\r\n", "\n").split("\n"):
        found = None if _LABEL.match(line) else heading(line, chapter_level)
        if found is not None and found.kind is Kind.SCENE and found.scene_id is None and found.level > aside_level:
            found = None
        if found is not None:
            aside_level = found.level if found.kind is Kind.ASIDE else 8
            if found.kind is Kind.CHAPTER:
                chapter_level = found.level if found.level <= 6 else 2
        result.append((line, found))
    return result


def _with_id(line: str, found: Heading, number: int) -> list[str]:
    """The heading's line or lines; text that ran on after a bold heading moves to a line of its own."""
    if found.scene_id == number:
        return [line]
    if found.rest:
        return [f"### {found.title} [[Scene {number}]]", found.rest]
    return [f"{_SCENE_ID.sub('', line).rstrip()} [[Scene {number}]]"]


def _scene(opened: _Open) -> Scene:
    body: list[str] = []
    names: dict[str, list[str]] = {"characters": [], "settings": []}
    listing: list[str] | None = None
    for line in opened.lines[1:]:
        if match := _LABEL.match(line):
            kind = "characters" if match.group("label").lower().startswith(("ch", "cast")) else "settings"
            names[kind] += _names(match.group("value") or "")
            listing = None if (match.group("value") or "").strip() else names[kind]
        elif listing is not None and (match := _BULLET.match(line)):
            listing += _names(match.group("value"))
        elif not _RULE.match(line):
            listing = listing if not line.strip() else None
            body.append(line)
    return Scene(
        id=opened.heading.scene_id or 0,
        title=opened.heading.title,
        section="\n".join(opened.lines).strip(),
        summary="\n".join([*filter(None, [opened.heading.rest]), *body]).strip(),
        characters=tuple(dict.fromkeys(names["characters"])),
        settings=tuple(dict.fromkeys(names["settings"])),
    )


def _names(value: str) -> list[str]:
    """The names in a list such as "Ada Lovelace (later), **Charles** and the clerk."; notes in brackets dropped."""
    bare = plain(re.sub(r"\([^)]*\)|\[\[|\]\]", "", value)).rstrip(".")
    return [name for part in _SEPARATOR.split(bare) if (name := part.strip()).lower() not in _NOBODY]
