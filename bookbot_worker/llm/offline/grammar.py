"""From a template to a sentence: who "{I}" is, how verbs agree, which words fill the slots, and never the same twice.

Templates are dealt like cards. A book has one order of cards for each deck, made from its brief, and every scene
starts where its number says, so that neighbouring scenes get different cards; within a scene nothing repeats until a
deck is used up, and then the slots differ.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from bookbot_worker.llm.offline.lexicon import is_plural
from bookbot_worker.llm.offline.verbs import Person, Tense, conjugate

_MARK = re.compile(r"\{(\w+)\}|([*^_])([a-z]+)\b")
_SENTENCE_START = re.compile(r"(?<=[a-z”\"][.!?] )[a-z]|^[“\"(]?[a-z]")

# The marks of a template, see prose.yaml: "*" agrees with {I}, "^" is the third person, "_" is plural. Straight after
# {he} or a noun's slot, "^" agrees with what fills it.
# Once a deck is used up, its cards come again behind one of these.
_LEADS = (
    "",
    "After a while ",
    "Once more ",
    "Presently ",
    "For no particular reason ",
    "A little later ",
    "Without a word ",
    "Then, quite slowly, ",
    "For the second time that day ",
    "As before, ",
    "At last ",
    "Between one breath and the next ",
)
_MAY_BE_LED = ("{I}", "{B}", "The ")

FORMS = {
    "she": {"he": "she", "him": "her", "his": "her", "himself": "herself", "mine": "hers"},
    "he": {"he": "he", "him": "him", "his": "his", "himself": "himself", "mine": "his"},
    "they": {"he": "they", "him": "them", "his": "their", "himself": "themself", "mine": "theirs"},
    "i": {"he": "I", "him": "me", "his": "my", "himself": "myself", "mine": "mine"},
}


@dataclass(frozen=True, slots=True)
class Cast:
    """Who and what a scene is about. The pronouns are keys of FORMS; "i" tells it in the first person."""

    who: str
    pronoun: str
    other: str
    other_pronoun: str
    absent: str
    place: str
    things: tuple[str, ...]
    tense: Tense

    @property
    def is_first_person(self) -> bool:
        """Whether the scene is told by the person it is about."""
        return self.pronoun == "i"


class Deck:
    """Cards dealt in a fixed shuffled order from a starting point, round and round."""

    def __init__(self, cards: Sequence[str], seed: str, start: int) -> None:
        self._cards = list(cards)
        random.Random(seed).shuffle(self._cards)  # noqa: S311 - prose, not cryptography
        self._next = start

    def __len__(self) -> int:
        return len(self._cards)

    def deal(self) -> str:
        """The next card."""
        card = self._cards[self._next % len(self._cards)]
        self._next += 1
        return card


@dataclass(slots=True)
class Writer:
    """Makes the sentences of one scene. `decks` by name: templates and fillers; `spoken` holds what was said so far."""

    cast: Cast
    decks: Mapping[str, Deck]
    rng: random.Random
    spoken: set[str] = field(default_factory=set)
    has_named: bool = False
    things_told: int = 0
    moments: int = 0

    def from_deck(self, name: str) -> str:
        """A sentence from a deck of templates that this scene has not used; "" where there is none left."""
        for lead in _LEADS:
            for _ in range(len(self.decks[name])):
                template = self.decks[name].deal()
                if ("{B}" in template and not self.cast.other) or ("{C}" in template and not self.cast.absent):
                    continue
                if lead and not template.startswith(_MAY_BE_LED):
                    continue
                named, told = (
                    self.has_named,
                    self.told(f"{lead}{template[0].lower()}{template[1:]}" if lead else template),
                )
                if told not in self.spoken:
                    self.spoken.add(told)
                    # After the other one was the subject, "she" would be anybody.
                    self.has_named = self.has_named and "{B}" not in template
                    return told
                self.has_named = named
        return ""

    def told(self, template: str, extra: Mapping[str, str] | None = None) -> str:
        """`template` with its slots filled and its verbs agreeing."""
        person = Person.THIRD
        slot = ""
        words: list[str] = []
        for kind, word in _pieces(template):
            if kind == "text":
                words.append(word)
            elif kind == "slot":
                if word == "I":
                    person = self._person()
                words.append(extra[word] if extra and word in extra else self._slot(word))
                slot = word
            elif kind == "*":
                words.append(conjugate(word, self.cast.tense, person))
            elif kind == "^":
                follows = len(words) > 1 and words[-1] == " "
                words.append(conjugate(word, self.cast.tense, self._agreeing(slot, words[-2] if follows else "")))
                slot = ""
            else:
                words.append(conjugate(word, self.cast.tense, Person.PLURAL))
        return _SENTENCE_START.sub(lambda match: match.group().upper(), "".join(words))

    def new_paragraph(self) -> None:
        """The next "{I}" is a name again."""
        self.has_named = False

    def _agreeing(self, slot: str, filled: str) -> Person:
        """What a verb marked ^ agrees with: the last slot where that is a plural and stands straight before it."""
        if slot == "he":
            return Person.PLURAL if filled and self.cast.other_pronoun == "they" else Person.THIRD
        is_noun = slot.lower() in ("place", "thing", "sound", "sight", "surface", "smell")
        return Person.PLURAL if is_noun and filled and is_plural(filled.split()[-1]) else Person.THIRD

    def _person(self) -> Person:
        if self.cast.is_first_person:
            return Person.FIRST
        return Person.PLURAL if self.cast.pronoun == "they" and self.has_named else Person.THIRD

    def _slot(self, name: str) -> str:
        fixed = _FIXED.get(name)
        if fixed is not None:
            return fixed(self)
        if name[0].isupper():
            return _capital(self._slot(name.lower()))
        return self.decks[name].deal()

    def subject(self) -> str:
        """ "I", a name, or a pronoun once the paragraph has said the name."""
        if self.cast.is_first_person:
            return "I"
        if self.has_named:
            return FORMS[self.cast.pronoun]["he"]
        self.has_named = True
        return self.cast.who

    def mine(self, form: str) -> str:
        """A form of the pronoun of the person the scene is about, e.g. "his" for the possessive."""
        if not self.has_named and not self.cast.is_first_person and form in ("his", "him"):
            self.has_named = True
            return self.cast.who + ("’s" if form == "his" else "")
        return FORMS[self.cast.pronoun][form]

    def thing(self) -> str:
        """What it is about; the things take turns."""
        self.things_told += 1
        return self.cast.things[(self.things_told - 1) % len(self.cast.things)]


_FIXED: dict[str, Callable[[Writer], str]] = {
    "I": lambda writer: writer.subject(),
    "my": lambda writer: writer.mine("his"),
    "My": lambda writer: _capital(writer.mine("his")),
    "me": lambda writer: writer.mine("him"),
    "myself": lambda writer: FORMS[writer.cast.pronoun]["himself"],
    "mine": lambda writer: FORMS[writer.cast.pronoun]["mine"],
    "B": lambda writer: writer.cast.other,
    "he": lambda writer: FORMS[writer.cast.other_pronoun]["he"],
    "his": lambda writer: FORMS[writer.cast.other_pronoun]["his"],
    "him": lambda writer: FORMS[writer.cast.other_pronoun]["him"],
    "C": lambda writer: writer.cast.absent,
    "place": lambda writer: writer.cast.place,
    "thing": lambda writer: writer.thing(),
}


@lru_cache(maxsize=4096)
def _pieces(template: str) -> tuple[tuple[str, str], ...]:
    pieces: list[tuple[str, str]] = []
    end = 0
    for match in _MARK.finditer(template):
        pieces.append(("text", template[end : match.start()]))
        pieces.append(("slot", match[1]) if match[1] else (match[2], match[3]))
        end = match.end()
    return (*pieces, ("text", template[end:]))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
