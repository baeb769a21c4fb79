"""The offline author's outlines: the plot of the brief in chapters of two to four scenes, filled up from an arc.

Owns how many chapters and scenes there are, who is in them and where. What a sheet or a scene says is made elsewhere.
"""

import random
import re
from itertools import pairwise

from bookbot_worker.llm.offline.mentions import named_in
from bookbot_worker.llm.offline.names import called
from bookbot_worker.llm.offline.reading import Brief, read_brief
from bookbot_worker.llm.offline.tables import table
from bookbot_worker.llm.offline.text import bounded
from bookbot_worker.llm.offline.things import things_in

_ASKED = re.compile(r"\b(\d{1,3}|three|four|five|six|seven|eight|nine|ten|twelve)\s+chapters\b", re.IGNORECASE)
_NUMBERS = {"three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12}
_MOST_CHAPTERS = 40
_SOMEBODY = ("Nora Vale", "Emil Hart", "Agnes Roe")
_SOMEWHERE = ("The Corner House", "The Long Room", "The Station")


class Planner:
    """Composes one outline. `rng` decides, so the same brief gives the same outline."""

    def __init__(self, text: str, rng: random.Random) -> None:
        self._text = bounded(text)
        self._brief = _filled(read_brief(self._text))
        self._rng = rng
        self._used: set[str] = set()
        self._place = self._brief.places[0]

    def outline(self) -> str:
        """The outline as Markdown."""
        chapters = self._chapters()
        lines = [f"# {self._brief.title}"]
        for number, (title, plot) in enumerate(chapters, 1):
            stage = (
                "beginning" if number <= len(chapters) / 3 else "middle" if number <= len(chapters) * 0.75 else "end"
            )
            scenes = [self._scene(group, stage, index) for index, group in enumerate(_groups(plot, self._rng))]
            lines += [
                f"## Chapter {number}: {title or self._title('chapter_titles', plot, self._brief.places[0])}",
                *scenes,
            ]
        return "\n\n".join(lines)

    def _chapters(self) -> list[tuple[str, list[str]]]:
        """The brief's own chapters, or its plot cut into as many as it asks for or needs."""
        asked = _ASKED.search(self._text)
        wanted = int(_NUMBERS.get(asked.group(1).lower(), 0) or asked.group(1)) if asked else 0
        own = self._brief.chapters
        if len(own) >= 3 and wanted in (0, len(own)):
            return [(title, list(plot)) for title, plot in own]
        plot = list(self._brief.plot)
        count = min(_MOST_CHAPTERS, wanted or max(3, min(6, round(len(plot) / 3))))
        bounds = [round(index * len(plot) / count) for index in range(count + 1)]
        return [("", plot[start:end]) for start, end in pairwise(bounds)]

    def _scene(self, plot: list[str], stage: str, index: int) -> str:
        story = " ".join(plot)
        people = list(named_in(story, self._brief.people))
        for name in self._brief.people:
            if len(people) < 2 and name not in people:
                people.append(name)
        if people[0] != self._brief.people[0] and self._brief.people[0] in people:
            people.remove(self._brief.people[0])
            people.insert(0, self._brief.people[0])
        places = named_in(story, self._brief.places)
        if not places:
            places = (self._place,)
        self._place = places[-1]
        beat = self._beat(stage, people, places[0], plot)
        title = self._title("scene_titles", plot, places[-1], people)
        told = [*plot, beat] if index or not plot else [beat, *plot] if len(plot) == 1 else [*plot, beat]
        return f"### {title}\n\n{' '.join(told)}\n\nCharacters: {', '.join(people)}\nSetting: {places[-1]}"

    def _beat(self, stage: str, people: list[str], place: str, plot: list[str]) -> str:
        options = [beat for beat in table("plan")["arc"][stage] if beat not in self._used] or table("plan")["arc"][
            stage
        ]
        beat = self._rng.choice(options)
        self._used.add(beat)
        return self._fill(beat, [called(name) for name in people], place, plot)

    def _title(self, kind: str, plot: list[str], place: str, people: list[str] | None = None) -> str:
        people = [called(name) for name in people or self._brief.people]
        patterns = list(table("plan")[kind])
        self._rng.shuffle(patterns)
        for pattern in patterns:
            title = self._fill(pattern, people, place, plot, is_title=True)
            if title not in self._used and pattern not in self._used:
                self._used |= {title, pattern} if "{" not in pattern else {title}
                return title
        return f"{self._brief.title}, {len(self._used)}"

    def _fill(self, pattern: str, people: list[str], place: str, plot: list[str], *, is_title: bool = False) -> str:
        things = things_in(" ".join(plot), self._text) or things_in(self._text, self._text) or ("the letter",)
        thing = self._rng.choice(things[:2])
        if is_title:
            thing = " ".join(
                word if word in ("of", "the") and index else word.capitalize()
                for index, word in enumerate(thing.split())
            )
        else:
            place, *people = (
                f"the {name[4:]}" if name.startswith("The ") else name for name in (place, people[0], people[-1])
            )
        slots = {"A": people[0], "B": people[-1], "place": place, "Place": place, "thing": thing, "Thing": thing}
        slots["noun"] = self._rng.choice(table("plan")["abstract"])
        filled = re.sub(r"\{(\w+)\}", lambda match: slots[match[1]], pattern)
        return filled[:1].upper() + filled[1:]


def _filled(brief: Brief) -> Brief:
    """`brief` with a title, two people and a place, whatever it lacks."""
    people = brief.people + _SOMEBODY[: max(0, 2 - len(brief.people))]
    places = brief.places or _SOMEWHERE
    title = brief.title or f"The Book of {called(people[0])}"
    return Brief(title, people, places, brief.chapters, brief.about)


def _groups(plot: list[str], rng: random.Random) -> list[list[str]]:
    """The sentences of a chapter as two to four scenes; scenes without plot are left to the arc."""
    count = max(2, min(4, len(plot))) if plot else rng.choice((2, 3))
    if len(plot) == 4 and rng.random() < 0.5:
        count = 3
    bounds = [round(index * len(plot) / count) for index in range(count + 1)]
    return [plot[start:end] for start, end in pairwise(bounds)]
