"""Headings as language models really write them: `## Chapter 1: …`, `**Scene 2 – …**`, `Chapter One`.

Owns the decision whether one line is a heading of a book, a division, a chapter or a scene, and what its title is.
It sees one line at a time and knows nothing of what stands around it but the level of the chapter in force.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.+)$")
_BOLD = re.compile(r"^\s*(?:[-*+•]\s+|\d+[.)]\s+)?(\*\*|__)(?P<bold>[^*_\n]+?)\1(?P<rest>.*)$")
_SCENE_ID = re.compile(r"[ \t]{0,8}\[\[\s*scene\s+(\d{1,9})\s*\]\]", re.IGNORECASE)

_NUMBER = (
    r"(?:\d{1,4}|[ivxlc]{1,7}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|"
    r"fifteen|sixteen|seventeen|eighteen|nineteen|(?:twenty|thirty|forty|fifty)(?:[ -]\w{3,5})?)"
)
_DASH = r"[:.,)–—-]"
_CHAPTER = re.compile(rf"^chapter\s+{_NUMBER}\b\s*{_DASH}*\s*(?P<title>.*)$", re.IGNORECASE)
_ODD_CHAPTER = re.compile(rf"^(?P<name>prologue|epilogue|interlude)\b\s*{_DASH}*\s*(?P<title>.*)$", re.IGNORECASE)
_SCENE = re.compile(
    rf"^(?:chapter\s+{_NUMBER}\s*[,:–—-]\s*)?scene\s+(?:\d{{1,4}}(?:\.\d{{1,4}})?|{_NUMBER})\b\s*{_DASH}*\s*(?P<title>.*)$",
    re.IGNORECASE,
)
_PLAIN = re.compile(
    rf"^(?:chapter|scene)\s+{_NUMBER}\s*(?:{_DASH}.*)?$|^(?:prologue|epilogue|interlude)\W*$", re.IGNORECASE
)
_DIVISION = re.compile(
    rf"^(?:(?:part|act|book|volume)\s+{_NUMBER}\b"
    r"|(?:the |detailed |story |plot |chapter )?(?:outline|chapters|scenes|plot)\W*$)",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"^(?:main |key |major )?(?:characters?|settings?|locations?|places|summary|synopsis|notes?|themes?|overview|"
    r"introduction|premise|logline|goal|conflict|pov|point of view|mood|word count|length)\b"
    r"\s*(?:present)?[:.]?(?:\s*\(.*\))?$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"^(?:\d{1,4}(?:\.\d{1,4})?[.)]|[ivxlc]{1,7}\.)\s+", re.IGNORECASE)


class Kind(StrEnum):
    """What a line opens. DIVISION ("Part Two") holds chapters; ASIDE ("Themes") holds nothing of the story."""

    TITLE = "title"
    CHAPTER = "chapter"
    SCENE = "scene"
    DIVISION = "division"
    ASIDE = "aside"


@dataclass(frozen=True, slots=True)
class Heading:
    """A line that opens something. `level` is 1–6, 7 for bold or plain lines; `rest` is text run on after it."""

    kind: Kind
    level: int
    title: str
    scene_id: int | None = None
    rest: str = ""


def heading(line: str, chapter_level: int | None) -> Heading | None:
    """What `line` opens, or None. `chapter_level` is the level of the chapter it stands in, if any."""
    found = _SCENE_ID.search(line)
    scene_id = int(found.group(1)) if found else None
    bare = _SCENE_ID.sub("", line).strip()
    if match := _HEADING.match(bare):
        return _of_heading(len(match.group(1)), plain(match.group(2).rstrip(" \t#")), scene_id, chapter_level)
    if match := _BOLD.match(bare):
        rest = match.group("rest").strip().lstrip(":.–—- ").strip()
        return _of_words(plain(match.group("bold")), scene_id, rest)
    if scene_id is not None:
        return Heading(Kind.SCENE, 7, _title(_SCENE, plain(bare)), scene_id)
    return _of_words(plain(bare), None, "") if len(bare) <= 120 and _PLAIN.match(bare) else None


def plain(text: str) -> str:
    """`text` without emphasis marks and the punctuation that ends a label."""
    return re.sub(r"[*_`]{1,3}", "", text).strip().rstrip(":").strip()


def _of_heading(level: int, text: str, scene_id: int | None, chapter_level: int | None) -> Heading:
    if scene_id is not None or _SCENE.match(text):
        return Heading(Kind.SCENE, level, _title(_SCENE, text), scene_id)
    if named := _of_words(text, None, ""):
        return Heading(named.kind, level, named.title)
    if _DIVISION.match(text):
        return Heading(Kind.DIVISION, level, text)
    if _ASIDE.match(text):
        return Heading(Kind.ASIDE, level, text)
    title = _NUMBERED.sub("", text)
    if level >= 3 or (chapter_level is not None and level > chapter_level):
        return Heading(Kind.SCENE, level, title)
    return Heading(Kind.TITLE if level == 1 and chapter_level != 1 else Kind.CHAPTER, level, title)


def _of_words(text: str, scene_id: int | None, rest: str) -> Heading | None:
    """What the words alone say: only "Chapter n", "Scene n" and their like open something without a `#`."""
    if scene_id is not None or _SCENE.match(text):
        return Heading(Kind.SCENE, 7, _title(_SCENE, text), scene_id, rest)
    if match := _CHAPTER.match(text):
        return Heading(Kind.CHAPTER, 7, match.group("title").strip(" \"'“”"), rest=rest)
    if (match := _ODD_CHAPTER.match(text)) and len(text) <= 80:
        title = match.group("title").strip()
        name = match.group("name").title()
        return Heading(Kind.CHAPTER, 7, f"{name}: {title}" if title else name, rest=rest)
    return None


def _title(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.match(text)
    title = match.group("title") if match else _NUMBERED.sub("", text)
    return title.strip(" \"'“”–—-:") or text
