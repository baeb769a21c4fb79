"""Prompt templates: `{{ Name }}` and `{{ some text | Name }}`, found by one linear scan.

Owns the syntax and the nine names. It knows no book: the values come from the caller, and are put in as they are;
a value that looks like a tag is text.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from shared.errors import BookbotError

VARIABLES = (
    "PreviousChunk",
    "NextChunk",
    "CurrentVersion",
    "Review",
    "Brief",
    "Style",
    "OutlineSection",
    "CharactersSections",
    "SettingsSections",
)

_OPEN, _CLOSE, _BAR = "{{", "}}", "|"
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a template, and where: `line` and `column` count from 1 and point at the tag's `{{`.

    A warning is text that renders, but probably not as it was meant.
    """

    line: int
    column: int
    reason: str
    is_warning: bool = False


class TemplateError(BookbotError):
    """A template that cannot be used: its first fault that is no warning."""

    def __init__(self, fault: Fault) -> None:
        self.line = fault.line
        self.column = fault.column
        super().__init__(f"template, line {fault.line}, column {fault.column}: {fault.reason}")


@dataclass(frozen=True, slots=True)
class Tag:
    """One `{{ … }}`: `text` goes before the value, both only where the value is not empty."""

    text: str
    name: str


def render(template: str, values: Mapping[str, str]) -> str:
    """`template` with its tags replaced; a name missing in `values` counts as empty, and so does blank text.

    Raises TemplateError for an unknown name or an unclosed tag, also where the value would be empty.
    """
    parts: list[str] = []
    for part in parse(template):
        if isinstance(part, str):
            parts.append(part)
        elif (value := values.get(part.name, "")).strip():
            parts += (part.text, value)
    return "".join(parts)


def uses(template: str) -> frozenset[str]:
    """The names of the variables `template` asks for. Raises TemplateError like `render`."""
    return frozenset(part.name for part in parse(template) if isinstance(part, Tag))


def parse(template: str) -> Iterator[str | Tag]:
    """The literal texts and tags of `template` in order. Raises TemplateError at the first fault."""
    for part in _scan(template):
        if not isinstance(part, Fault):
            yield part
        elif not part.is_warning:
            raise TemplateError(part)


def lint(template: str) -> list[Fault]:
    """Everything that is wrong with `template`, warnings too, in reading order."""
    return [part for part in _scan(template) if isinstance(part, Fault)]


def _scan(template: str) -> Iterator[str | Tag | Fault]:
    """The parts of `template` in order, a fault in place of what is wrong. Every character is looked at a few times."""
    place = _Place(template)
    position = 0
    while True:
        start = template.find(_OPEN, position)
        literal = template[position : start if start >= 0 else len(template)]
        yield from _strays(literal, position, place)
        yield literal
        if start < 0:
            return
        inside = start + len(_OPEN)
        following = template.find(_OPEN, inside)
        end = template.find(_CLOSE, inside, following if following >= 0 else len(template))
        if end < 0:
            yield place.fault(start, "this {{ is not closed by }}")
            position = inside
            continue
        text, _, name = template[inside:end].rpartition(_BAR)
        if reason := _why_no_variable(name.strip()):
            yield place.fault(start, reason)
        else:
            # One space inside each delimiter belongs to the notation; every other space is the author's.
            yield Tag(text.removeprefix(" ").removesuffix(" "), name.strip())
        position = end + len(_CLOSE)


def _strays(literal: str, offset: int, place: "_Place") -> Iterator[Fault]:
    """A warning for each `}}` that closes nothing."""
    found = literal.find(_CLOSE)
    while found >= 0:
        yield place.fault(offset + found, "this }} closes nothing and is printed as it stands", is_warning=True)
        found = literal.find(_CLOSE, found + len(_CLOSE))


@lru_cache(maxsize=256)
def _why_no_variable(name: str) -> str:
    """Why `name` cannot be used, "" where it can."""
    if name in VARIABLES:
        return ""
    known = ", ".join(VARIABLES)
    if not name:
        return f"this tag names no variable; known: {known}"
    lowered = {variable.lower(): variable for variable in VARIABLES}
    close = difflib.get_close_matches(name[:_SHOWN].lower(), lowered, n=1, cutoff=0.6)
    hint = f"did you mean {lowered[close[0]]}?" if close else f"known: {known}"
    return f"there is no variable {name[:_SHOWN]!r}; {hint}"


class _Place:
    """Lines and columns of offsets that only grow, so that finding all of them reads the text once."""

    def __init__(self, template: str) -> None:
        self._template = template
        self._offset = 0
        self._line = 1
        self._line_start = 0

    def fault(self, offset: int, reason: str, *, is_warning: bool = False) -> Fault:
        """A fault at `offset`, which is not before the last one."""
        self._line += self._template.count("\n", self._offset, offset)
        last = self._template.rfind("\n", self._offset, offset)
        self._line_start = last + 1 if last >= 0 else self._line_start
        self._offset = offset
        return Fault(self._line, offset - self._line_start + 1, reason, is_warning)
