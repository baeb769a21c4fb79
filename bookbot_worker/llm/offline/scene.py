"""The offline author's scenes: opening, the plot retold sentence by sentence, talk, closing, at the length asked for.

Owns the order of what happens in a scene and its length; the sentences come from `grammar.py`, the plot from the
scene's section of the outline.
"""

import random
import re
from dataclasses import dataclass

from bookbot_worker.llm.offline.dialogue import exchange
from bookbot_worker.llm.offline.grammar import Cast, Deck, Writer
from bookbot_worker.llm.offline.mentions import named_in
from bookbot_worker.llm.offline.names import called, forms
from bookbot_worker.llm.offline.person import Narrator, in_first_person
from bookbot_worker.llm.offline.pronouns import pronoun_of
from bookbot_worker.llm.offline.reading import read_brief
from bookbot_worker.llm.offline.retelling import in_past
from bookbot_worker.llm.offline.senses import senses_for
from bookbot_worker.llm.offline.tables import table
from bookbot_worker.llm.offline.text import lines_labelled, sentences, units
from bookbot_worker.llm.offline.things import things_in
from bookbot_worker.llm.offline.verbs import Tense

_WORD = re.compile(r"[^\W_]+(?:['’‐-][^\W_]+)*")
_LABEL = re.compile(r"\W{0,9}\w{1,30}(?: \w{1,30})?\W{0,9}:")
_SCENE_ID = re.compile(r"\[\[scene (\d{1,6})\]\]", re.IGNORECASE)
_PRESENT = re.compile(r"\bpresent[- ]tense\b|\bin the present\b", re.IGNORECASE)
_FIRST = re.compile(r"\bfirst[- ]person\b", re.IGNORECASE)
_WORDS_PER_BLOCK = 58
_CLOSING_WORDS = 30
_SHORT = 150
_SPOKEN = "”"

# How many cards of a deck a scene of 500 words takes at most, as measured: the next scene starts behind them.
_CARDS = {
    "opening": 1,
    "arrive": 1,
    "notice": 7,
    "move": 6,
    "think": 5,
    "remember": 2,
    "other": 4,
    "short": 7,
    "after": 4,
}
_CARDS |= {"turn": 4, "pass": 3, "close": 1, "alone": 3, "exchanges": 5, "beats_me": 7, "beats_other": 7}
_CARDS |= {"sound": 5, "smell": 5, "sight": 3, "surface": 5, "weather": 1, "time": 1}

# What a paragraph is made of, by the kind of moment.
_SHAPES = {
    "plot": (("PLOT", "after"), ("PLOT", "after", "short"), ("PLOT", "move", "think"), ("short", "PLOT", "after")),
    "pause": (
        ("notice", "move"),
        ("move", "notice", "think"),
        ("think", "short"),
        ("notice", "short", "move"),
        ("remember", "move"),
    ),
    "turn": (("turn", "after"), ("turn", "short", "think"), ("pass", "turn"), ("notice", "turn")),
    "other": (("other", "think"), ("other", "short", "notice"), ("notice", "other"), ("other", "move")),
    "alone": (("alone", "move"), ("remember", "think"), ("alone", "short", "notice"), ("think", "alone")),
}


@dataclass(frozen=True, slots=True)
class SceneOrder:
    """What is asked: the parts of the prompt that matter to a scene, and how many words.

    `instead_of` is the scene as it stands: the new one begins with other cards.
    """

    brief: str
    style: str
    section: str
    characters: str
    settings: str
    words: int
    instead_of: str = ""


def write_scene(order: SceneOrder, seed: str) -> str:
    """The prose of a scene, `order.words` long within about a tenth; the same for the same order and seed."""
    cast = _cast(order)
    number = int(found.group(1)) if (found := _SCENE_ID.search(order.section)) else 0
    book = (order.brief or seed) + order.instead_of[:500]
    writer = Writer(cast, _decks(order, book, number), random.Random(seed))  # noqa: S311 - prose, not cryptography
    plot = _plot(order, cast)
    is_short = order.words < _SHORT
    paragraphs = [_paragraph(writer, ("opening",) if is_short else ("opening", "arrive"), "")]
    room = order.words - _count(paragraphs[0]) - _CLOSING_WORDS // (2 if is_short else 1)
    blocks = max(1, len(plot), round(room / _WORDS_PER_BLOCK))
    told = 0
    block = 0
    while room > 0 and (told < len(plot) or room > _WORDS_PER_BLOCK // 4):
        is_due = told < len(plot) and block * len(plot) >= told * blocks
        may_talk = not any(paragraph.endswith(_SPOKEN) or paragraph.startswith("“") for paragraph in paragraphs[-2:])
        paragraph = _moment(writer, plot[told] if is_due else "", room, may_talk)
        told += is_due
        block += 1
        if not paragraph:
            break
        paragraphs.append(paragraph)
        room -= _count(paragraph)
    paragraphs.append(_closing(writer, order.words - sum(map(_count, paragraphs)), 8 if is_short else 1))
    return "\n\n".join(paragraphs).replace("'", "’")


def _cast(order: SceneOrder) -> Cast:
    brief = read_brief(order.brief)
    present = (
        lines_labelled(order.section, "characters") or list(named_in(order.section, brief.people)) or list(brief.people)
    )
    places = (
        lines_labelled(order.section, "setting") or list(named_in(order.section, brief.places)) or list(brief.places)
    )
    people = (*dict.fromkeys((*present, *brief.people)),)
    known = f"{order.characters}\n\n{order.brief}\n\n{order.section}"
    who = present[0] if present else "The stranger"
    other = present[1] if len(present) > 1 else ""
    absent = next((name for name in (*present[2:], *brief.people) if name not in present[:2]), "")
    first_person = bool(_FIRST.search(order.style))
    story = " ".join(_story(order.section))
    return Cast(
        who=_in_sentence(called(who)),
        pronoun="i" if first_person else pronoun_of(who, known, people),
        other=_in_sentence(called(other)),
        other_pronoun=pronoun_of(other, known, people) if other else "they",
        absent=_in_sentence(called(absent)),
        place=_in_sentence(places[0] if places else "the house"),
        things=things_in(story, order.brief) or things_in(order.brief, order.brief) or ("the letter", "the other key"),
        tense=Tense.PRESENT if _PRESENT.search(order.style) else Tense.PAST,
    )


def _decks(order: SceneOrder, book: str, number: int) -> dict[str, Deck]:
    prose, talk = table("prose"), table("talk")
    cards = {name: list(prose[name]) for name in prose}
    cards |= {name: talk[name] for name in ("beats_me", "beats_other")}
    cards["exchanges"] = [str(index) for index in range(len(talk["exchanges"]))]
    cards["time"] = table("senses")["times"]
    cards |= senses_for(f"{order.section}\n{order.settings}", order.brief)
    share = max(1.0, order.words / 500)
    return {name: Deck(deck, f"{book}/{name}", round(number * _CARDS[name] * share)) for name, deck in cards.items()}


def _plot(order: SceneOrder, cast: Cast) -> list[str]:
    """The sentences of the scene's section, in the tense and person of the scene."""
    people = tuple(dict.fromkeys((*lines_labelled(order.section, "characters"), *read_brief(order.brief).people)))
    names = frozenset(word for name in people for word in name.split() if word[0].isupper()) - {"The", "A", "An"}
    told = units(_story(order.section))
    if cast.is_first_person:
        known = f"{order.characters}\n\n{order.brief}\n\n{order.section}"
        full = next((name for name in people if _in_sentence(called(name)) == cast.who), cast.who)
        pronouns = {name: pronoun_of(name, known, people) for name in (*people, full)}
        narrator = Narrator(forms(full), pronouns[full], names)
        told = [
            in_first_person(
                unit,
                narrator,
                is_alone=all(
                    pronouns[name] not in (pronouns[full], "they") for name in named_in(unit, people) if name != full
                ),
            )
            for unit in told
        ]
    return [in_past(unit, names) for unit in told] if cast.tense is Tense.PAST else told


def _story(section: str) -> list[str]:
    lines = [line for line in section.splitlines() if not line.startswith("#") and not _LABEL.match(line)]
    return sentences(" ".join(lines))


def _moment(writer: Writer, plot: str, room: int, may_talk: bool) -> str:
    """The next paragraph, or the turns of an exchange; an exchange never follows another."""
    if plot:
        return _paragraph(writer, _shape(writer, "plot", room), plot)
    if writer.cast.other and may_talk and room > _WORDS_PER_BLOCK // 2 and (talk := exchange(writer)):
        return talk
    writer.moments += 1
    kinds = ("pause", "other", "turn") if writer.cast.other else ("alone", "pause", "turn")
    return _paragraph(writer, _shape(writer, kinds[writer.moments % 3], room), "")


def _shape(writer: Writer, kind: str, room: int) -> tuple[str, ...]:
    shape = writer.rng.choice(_SHAPES[kind])
    return (
        shape if room > _WORDS_PER_BLOCK else tuple(part for part in shape if part != "short")[: 1 if room < 30 else 2]
    )


def _paragraph(writer: Writer, shape: tuple[str, ...], plot: str) -> str:
    writer.new_paragraph()
    told: list[str] = []
    for part in shape:
        if part == "PLOT":
            writer.has_named = writer.cast.who in plot
            told.append(plot)
        else:
            told.append(writer.from_deck(part))
    return " ".join(filter(None, told))


def _closing(writer: Writer, room: int, choices: int) -> str:
    """The last paragraph: of so many closing sentences the one that fits `room` best, filled up to it."""
    offered = []
    for _ in range(choices):
        writer.new_paragraph()
        offered.append(writer.from_deck("close"))
    told = [min(offered, key=lambda sentence: abs(room - _count(sentence)))]
    left = room - _count(told[0])
    while left > 8 and (before := writer.from_deck("notice" if left > 12 else "short")):
        told.insert(0, before)
        left -= _count(before)
    return " ".join(told)


def _count(text: str) -> int:
    return len(_WORD.findall(text))


def _in_sentence(place: str) -> str:
    return place[:1].lower() + place[1:] if place.startswith(("The ", "A ", "An ")) else place
