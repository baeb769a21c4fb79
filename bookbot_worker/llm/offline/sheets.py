"""The offline author's character sheets and settings: the outline's names, and what the brief says of them."""

import random
import re

from bookbot_worker.llm.offline.mentions import named_in
from bookbot_worker.llm.offline.names import called
from bookbot_worker.llm.offline.pronouns import pronoun_of
from bookbot_worker.llm.offline.reading import read_brief
from bookbot_worker.llm.offline.senses import senses_for
from bookbot_worker.llm.offline.tables import table
from bookbot_worker.llm.offline.text import bounded, lines_labelled, sentences
from bookbot_worker.llm.offline.verbs import third

_MOST_SECTIONS = 200
_OBJECT = {"she": "her", "he": "him", "they": "them"}


def write_characters(brief: str, outline: str, seed: str) -> str:
    """One section for each person of the outline (of the brief, where there is no outline)."""
    brief = bounded(brief)
    read = read_brief(brief)
    names = (lines_labelled(outline, "characters") or list(read.people) or ["The Stranger"])[:_MOST_SECTIONS]
    decks = _shuffled(seed, ("looks", "wants", "obstacles", "secrets", "habits", "voices"))
    stories = _stories(names, read.plot)
    return "\n\n".join(
        _person(name, index, names, brief, decks, stories.get(name, [])) for index, name in enumerate(names)
    )


def write_settings(brief: str, outline: str, seed: str) -> str:
    """One section for each place of the outline (of the brief, where there is no outline)."""
    brief = bounded(brief)
    read = read_brief(brief)
    names = (lines_labelled(outline, "setting") or list(read.places) or ["The House"])[:_MOST_SECTIONS]
    decks = _shuffled(seed, ("ways_of_places", "uses_of_places", "pasts_of_places"))
    sections = []
    for index, name in enumerate(names):
        about = read.about.get(name, "")
        rng = random.Random(f"{seed}/{name}")  # noqa: S311 - prose, not cryptography
        senses = senses_for(f"{name} {about}", brief)
        details = [rng.choice(senses[kind]) for kind in ("sound", "sight")]
        smells = rng.sample(senses["smell"], 2)
        touched = rng.sample(senses["surface"], 3)
        told = [_sentence(about), *(_nth(decks[kind], index) for kind in decks)]
        sections.append(
            f"## {name}\n\n{' '.join(filter(None, told))}\n\n"
            f"Details: {details[0]}; {details[1]}; a smell of {smells[0]} and {smells[1]}. "
            f"Within reach: {touched[0]}, {touched[1]}, {touched[2]}."
        )
    return "\n\n".join(sections)


def _stories(names: list[str], plot: tuple[str, ...]) -> dict[str, list[str]]:
    """The first two units of the plot that name each person."""
    stories: dict[str, list[str]] = {}
    for unit in plot:
        for name in named_in(unit, tuple(names)):
            stories.setdefault(name, [])
            if len(stories[name]) < 2:
                stories[name].append(unit)
    return stories


def _person(name: str, index: int, names: list[str], brief: str, decks: dict[str, list[str]], plot: list[str]) -> str:
    read = read_brief(brief)
    pronoun = pronoun_of(name, brief, tuple(dict.fromkeys((*read.people, *names))))
    subject, verb_s = pronoun.capitalize(), pronoun != "they"
    first = called(name)
    wants = third("want") if verb_s else "want"
    other = next((o for o in (names[index - 1], names[0]) if o != name), "")
    about = read.about.get(name, "")
    told = [
        _sentence(f"{name}, {about}" if re.match(r"\d", about) else about),
        f"{first} is {_nth(decks['looks'], index)}.",
        f"{subject} {wants} {_nth(decks['wants'], index)}.",
        f"What stands in the way is {_nth(decks['obstacles'], index)}.",
        f"What {_in_sentence(called(other))} must not find out: {first} {_nth(decks['secrets'], index)}."
        if other
        else "",
    ]
    habit = _nth(decks["habits"], index)
    verb, _, rest = habit.partition(" ")
    story = f"\n\nIn the story: {' '.join(sentences(' '.join(plot)))}" if plot else ""
    also = f"Also called: {first}\n" if first != name else ""
    return (
        f"## {name}\n\n{also}Pronouns: {pronoun}/{_OBJECT[pronoun]}\n\n{' '.join(filter(None, told))}{story}\n\n"
        f"Habit: {third(verb)} {rest}.\nVoice: {_nth(decks['voices'], index)}"
    )


def _shuffled(seed: str, kinds: tuple[str, ...]) -> dict[str, list[str]]:
    decks = {kind: list(table("plan")[kind]) for kind in kinds}
    for kind, deck in decks.items():
        random.Random(f"{seed}/{kind}").shuffle(deck)  # noqa: S311 - prose, not cryptography
    return decks


def _in_sentence(name: str) -> str:
    return "the " + name[4:] if name.startswith("The ") else name


def _nth(deck: list[str], index: int) -> str:
    return deck[index % len(deck)]


def _sentence(text: str) -> str:
    text = text.strip()
    return text and text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", "”")) else ".")
