"""Prompt templates: `{{ Name }}` and `{{ some text | Name }}`, found by one linear scan.

Owns the syntax and the nine names. It knows no book: the values come from the caller, and are put in as they are;
a value that looks like a tag is text.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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


class TemplateError(BookbotError):
    """A template that cannot be used. `line` and `column` count from 1 and point at the tag's `{{`."""

    def __init__(self, reason: str, template: str, offset: int) -> None:
        self.line = template.count("\n", 0, offset) + 1
        self.column = offset - template.rfind("\n", 0, offset)
        super().__init__(f"template, line {self.line}, column {self.column}: {reason}")


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
    position = 0
    while (start := template.find(_OPEN, position)) >= 0:
        yield template[position:start]
        end = template.find(_CLOSE, start + len(_OPEN))
        if end < 0 or template.find(_OPEN, start + len(_OPEN), end) >= 0:
            raise TemplateError("this {{ is not closed by }}", template, start)
        text, _, name = template[start + len(_OPEN) : end].rpartition(_BAR)
        if name.strip() not in VARIABLES:
            known = ", ".join(VARIABLES)
            raise TemplateError(f"there is no variable {name.strip()[:80]!r}; known: {known}", template, start)
        # One space inside each delimiter belongs to the notation; every other space is the author's.
        yield Tag(text.removeprefix(" ").removesuffix(" "), name.strip())
        position = end + len(_CLOSE)
    yield template[position:]
