"""Choosing the `## Name` sections of a characters or settings text by name. Pure text, no database."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_HEADING = re.compile(r"^ {0,3}#{2,4}[ \t]+(?P<name>.+)$")
_ALSO = re.compile(
    r"^\s*(?:[-*+]\s+)?[*_]{0,2}(?:also called|also known as|aliases?|nicknames?)[*_]{0,2}\s*:(?P<names>.*)$",
    re.IGNORECASE,
)
_NICKNAME = re.compile(r"[\"“‘(\[]([^\"”’)\]]+)[\"”’)\]]")
_EXPLANATION = re.compile(r"\s+[–—-]\s+.*$|\s*:.*$|,\s+.*$")
_ARTICLES = frozenset({"the", "a", "an"})
_TITLES = frozenset(
    {"mr", "mrs", "ms", "dr", "captain", "professor", "sir", "lady", "lord", "saint", "st", "miss", "old"}
)


@dataclass(frozen=True, slots=True)
class Section:
    """One section. `text` includes the heading; `aliases` are normalised, the full name first."""

    name: str
    text: str
    aliases: tuple[str, ...]


def split(markdown: str) -> tuple[Section, ...]:
    """The sections of `markdown` in order; what stands before the first is no section."""
    opened: list[tuple[str, list[str]]] = []
    level = 0
    for line in markdown.replace("\r\n", "\n").split("\n"):
        match = _HEADING.match(line)
        depth = len(line) - len(line.lstrip(" #")) if match else 0
        if match and (not opened or depth <= level):
            level = depth
            opened.append((re.sub(r"[*_`]", "", match.group("name")).strip(" \t#"), [line]))
        elif opened:
            opened[-1][1].append(line)
    return tuple(_section(name, lines) for name, lines in opened)


def pick(markdown: str, names: Iterable[str]) -> str:
    """The sections called by `names`, in their own order, joined by blank lines; "" where none is.

    Case, accents and a leading article make no difference. A name that fits no heading may be a first or last
    name, a nickname in quotes or brackets, or one of an "Also called:" line; then every section it fits is given.
    """
    found = split(markdown)
    chosen = {index for name in names for index in _called(found, name)}
    return _joined(section for index, section in enumerate(found) if index in chosen)


def missing(markdown: str, names: Iterable[str]) -> list[str]:
    """Those of `names` for which `pick` finds nothing."""
    found = split(markdown)
    return [name for name in names if not _called(found, name)]


def mentioned(markdown: str, text: str) -> str:
    """The sections whose full name or first name appears in `text` as whole words."""
    haystack = f" {_normal(text)} "
    return _joined(
        section
        for section in split(markdown)
        if any(f" {alias} " in haystack for alias in section.aliases[:2] if len(alias) > 2)
    )


def _called(found: Sequence[Section], given: str) -> set[int]:
    """Which of the sections a name means."""
    name = _normal(given)
    exact = {index for index, section in enumerate(found) if name == section.aliases[0]}
    if exact:
        return exact
    parts = _parts(name)
    return {index for index, section in enumerate(found) if name in section.aliases[1:] or section.aliases[0] in parts}


def _section(name: str, lines: list[str]) -> Section:
    nicknames = _NICKNAME.findall(name)
    for line in lines[1:]:
        if match := _ALSO.match(line):
            nicknames += match.group("names").split(",")
    bare = re.sub(r"^\d+[.)]\s+", "", _EXPLANATION.sub("", _NICKNAME.sub(" ", name)))
    full = _normal(bare) or _normal(name)
    aliases = dict.fromkeys([full, *_parts(full), *filter(None, map(_normal, nicknames)), _normal(name)])
    return Section(bare.strip() or name, "\n".join(lines).strip(), tuple(aliases))


def _parts(full: str) -> list[str]:
    """The first and last name in a normalised full name of several words."""
    words = [word for word in full.split() if word not in _TITLES]
    return [words[0], words[-1]] if words and len(full.split()) > 1 else []


def _normal(name: str) -> str:
    """`name` for comparing: no case, accents, punctuation or leading article."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    words = re.findall(r"[^\W_]+", "".join(c for c in letters if not unicodedata.combining(c)))
    return " ".join(words[1:] if len(words) > 1 and words[0] in _ARTICLES else words)


def _joined(sections: Iterable[Section]) -> str:
    return "\n\n".join(section.text for section in sections)
