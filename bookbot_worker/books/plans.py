"""Outlines, characters and settings as JSON: the form a model is asked for, and the Markdown that becomes of it.

Owns the schemas and what is wrong with an answer. The rest of the house reads Markdown (`outline.py`, `sections.py`),
so text from a model must not be able to pose as a heading, a label or a scene's id there: `plain_text.py` sees to it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from bookbot_worker.books.plain_text import block, book_title, chapter_title, line, name


class Form(BaseModel):
    """Every field is required and nothing else allowed, as strict schemas want it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Plan(Form, ABC):
    """A whole answer."""

    @abstractmethod
    def faults(self) -> Iterator[str]:
        """What is missing in it although it has the right form, each with its place."""

    @abstractmethod
    def markdown(self) -> str:
        """The same for the rest of the house; what is missing is left out."""


class ScenePlan(Form):
    """One scene of an outline."""

    title: str
    summary: str
    characters: list[str]
    setting: str

    def faults(self, place: str) -> Iterator[str]:
        """What is missing; `place` is where the scene stands."""
        texts = (("title", line(self.title)), ("summary", block(self.summary)), ("setting", name(self.setting)))
        yield from (f"{place}.{field}: is empty" for field, text in texts if not text)
        if not any(map(name, self.characters)):
            yield f"{place}.characters: nobody is named"

    def section(self, number: int) -> str:
        """The scene's section. Its id comes from here, so that any title is the title of a scene."""
        tags = _labelled(("Characters", ", ".join(_names(self.characters))), ("Setting", name(self.setting)))
        heading = f"### {line(self.title) or f'Scene {number}'} [[Scene {number}]]"
        return "\n\n".join(filter(None, [heading, block(self.summary), tags]))


class ChapterPlan(Form):
    """One chapter of an outline."""

    title: str
    scenes: list[ScenePlan]


class OutlinePlan(Plan):
    """A whole outline."""

    title: str
    chapters: list[ChapterPlan]

    def faults(self) -> Iterator[str]:
        """See `Plan`."""
        if not self.chapters:
            yield "chapters: there is none"
        for number, chapter in enumerate(self.chapters):
            if not chapter.scenes:
                yield f"chapters.{number}.scenes: there is none"
            for index, scene in enumerate(chapter.scenes):
                yield from scene.faults(f"chapters.{number}.scenes.{index}")

    def markdown(self) -> str:
        """See `Plan`; scenes are numbered in reading order."""
        lines = [f"# {book_title(self.title)}"]
        scenes = 0
        for number, chapter in enumerate(self.chapters, 1):
            lines.append(f"## Chapter {number}: {chapter_title(chapter.title)}".rstrip(": "))
            for scene in chapter.scenes:
                scenes += 1
                lines.append(scene.section(scenes))
        return "\n\n".join(lines)


class CharacterPlan(Form):
    """One person."""

    name: str
    also_called: list[str]
    pronouns: str
    description: str
    habit: str
    voice: str

    def section(self) -> str:
        """The person's section."""
        also = _labelled(("Also called", ", ".join(_names(self.also_called))), ("Pronouns", line(self.pronouns)))
        manner = _labelled(("Habit", line(self.habit)), ("Voice", line(self.voice)))
        return "\n\n".join(filter(None, [f"## {name(self.name)}", also, block(self.description), manner]))


class CharactersPlan(Plan):
    """Everybody of the outline."""

    characters: list[CharacterPlan]

    def faults(self) -> Iterator[str]:
        """See `Plan`."""
        return _faults_of_names("characters", [person.name for person in self.characters])

    def markdown(self) -> str:
        """See `Plan`; of two sections for one person the first."""
        return "\n\n".join(_first_of_each((name(person.name), person.section()) for person in self.characters))


class SettingPlan(Form):
    """One place."""

    name: str
    description: str
    details: str

    def section(self) -> str:
        """The place's section."""
        details = _labelled(("Details", line(self.details)))
        return "\n\n".join(filter(None, [f"## {name(self.name)}", block(self.description), details]))


class SettingsPlan(Plan):
    """All places of the outline."""

    settings: list[SettingPlan]

    def faults(self) -> Iterator[str]:
        """See `Plan`."""
        return _faults_of_names("settings", [place.name for place in self.settings])

    def markdown(self) -> str:
        """See `Plan`; of two sections for one place the first."""
        return "\n\n".join(_first_of_each((name(place.name), place.section()) for place in self.settings))


def _first_of_each(sections: Iterator[tuple[str, str]]) -> list[str]:
    found: dict[str, str] = {}
    for called, section in sections:
        found.setdefault(called, section)
    return [section for called, section in found.items() if called]


def _faults_of_names(field: str, names: Sequence[str]) -> Iterator[str]:
    if not names:
        yield f"{field}: there is none"
    yield from (f"{field}.{index}.name: is empty" for index, given in enumerate(names) if not name(given))


def _names(given: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, map(name, given))))


def _labelled(*lines: tuple[str, str]) -> str:
    return "\n".join(f"{label}: {text}" for label, text in lines if text)
