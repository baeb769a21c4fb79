"""What a prompt asks the offline author for: an outline, characters, settings, a scene or its revision."""

import re
from dataclasses import dataclass
from enum import StrEnum

from bookbot_worker.llm.client import Prompt
from bookbot_worker.llm.offline.text import bounded, parts

_WORDS = re.compile(r"\b(\d{2,6}|\d{1,3},\d{3})[ -]words?\b", re.IGNORECASE)
_OUTLINE = re.compile(r"\b(?:plan|write|make|create|draft)\b[^.\n]{0,40}\boutline\b", re.IGNORECASE)
_CHARACTERS = re.compile(
    r"\b(?:write|make|create|describe)\b[^.\n]{0,40}\b(?:characters?|character sheets?|cast)\b", re.IGNORECASE
)
_SETTINGS = re.compile(
    r"\b(?:write|make|create|describe)\b[^.\n]{0,40}\b(?:settings?|places|locations)\b", re.IGNORECASE
)
_SCENE = re.compile(r"\b(?:re)?write\b[^.\n]{0,60}\b(?:scene|chapter|story|prose)\b", re.IGNORECASE)
_COPYEDIT = re.compile(
    r"\b(?:copy[- ]?edit|proofread)\b[^.\n]{0,60}\b(?:scene|chapter|text|prose|story)\b", re.IGNORECASE
)
_EDIT = re.compile(r"(?<!copy[- ])\b(?:edit|revise)\b[^.\n]{0,60}\b(?:scene|chapter|text|prose|story)\b", re.IGNORECASE)
_REVIEW = re.compile(r"\b(?:review|critique|assess)\b[^.\n]{0,60}\b(?:scene|chapter|text|prose|story)\b", re.IGNORECASE)
_DEFAULT_WORDS = 500
_FEWEST, _MOST = 20, 100_000
# How much of the question, which may be a whole book, is looked at to see what it asks for.
_MOST_ASKED = 8_192
_MOST_OUTLINE = 262_144


class Kind(StrEnum):
    """What the offline author can be asked for."""

    OUTLINE = "outline"
    CHARACTERS = "characters"
    SETTINGS = "settings"
    SCENE = "scene"
    EDIT = "edit"
    COPYEDIT = "copyedit"
    REVIEW = "review"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt understood. Texts are "" where the prompt has no such part; `words` is the length of a scene.

    Of long texts there is only as much as the author reads, see `text.bounded`.
    """

    kind: Kind
    question: str
    brief: str
    style: str
    outline: str
    characters: str
    settings: str
    words: int
    current: str = ""
    review: str = ""


def understand(prompt: Prompt) -> Asked:
    """Read the user's messages. What is asked is decided by the text before the first marked part."""
    text = "\n\n".join(message.content for message in prompt.messages if message.role == "user")
    found = parts(text)
    question = found[""]
    section = next((part for name, part in found.items() if name.endswith("IN THE OUTLINE")), "")
    current = next((part for name, part in found.items() if "AS IT STANDS" in name or "CURRENT" in name), "")
    kind = _kind(question[:_MOST_ASKED], section, current)
    return Asked(
        kind=kind,
        question=question,
        brief=bounded(found.get("BRIEF", "" if len(found) > 1 else question)),
        style=found.get("STYLE", question)[:_MOST_ASKED],
        outline=bounded(section) or found.get("OUTLINE", "")[:_MOST_OUTLINE],
        characters=bounded(next((part for name, part in found.items() if name.startswith("CHARACTERS")), "")),
        settings=bounded(next((part for name, part in found.items() if name.startswith("SETTINGS")), "")),
        words=_words(prompt, found),
        current=current,
        review=next((part for name, part in found.items() if "REVIEW" in name), ""),
    )


def _kind(question: str, section: str, current: str) -> Kind:
    """What is asked first; without a text there is nothing to revise."""
    patterns = {Kind.SCENE: _SCENE, Kind.OUTLINE: _OUTLINE, Kind.CHARACTERS: _CHARACTERS, Kind.SETTINGS: _SETTINGS}
    revisions = {Kind.COPYEDIT: _COPYEDIT, Kind.EDIT: _EDIT, Kind.REVIEW: _REVIEW}
    if section:
        patterns = {Kind.SCENE: _SCENE}
    if current:
        patterns |= revisions
    found = {kind: match.start() for kind, pattern in patterns.items() if (match := pattern.search(question))}
    otherwise = Kind.SCENE if section else Kind.OTHER
    return min(found, key=lambda kind: found[kind]) if found else otherwise


def _words(prompt: Prompt, found: dict[str, str]) -> int:
    """The length asked for: the prompt's own wish, else the last "n words" of the task, else 500."""
    said = _WORDS.findall(found.get("WHAT TO DO", "")) or _WORDS.findall(found[""])
    words = prompt.max_words or (int(said[-1].replace(",", "")) if said else _DEFAULT_WORDS)
    return max(_FEWEST, min(_MOST, words))
