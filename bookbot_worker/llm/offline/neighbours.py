"""The words of a sentence, and what the neighbours of a word show about it. It remembers nothing as it goes."""

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from bookbot_worker.llm.offline.lexicon import bases, listed, may_be_nouns, third_persons

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_BREAK = re.compile(r"[,;:()–—]")
NOUNISH_AUXILIARIES = frozenset(
    {"is", "are", "was", "were", "has", "have", "had", "does", "did", "do", "can", "could", "will", "would", "must"}
)
JOINS = frozenset({"and", "but", "or", "then", "nor", "yet"})
PARTICLES = frozenset({"out", "in", "up", "down", "off", "away", "back", "on", "over", "along", "aloud", "apart"})
COUNTED = frozenset(
    {
        "all",
        "both",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        *(
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "other",
            "others",
            "many",
            "few",
        ),
    }
)
OBJECTS = frozenset(
    {
        "him",
        "them",
        "it",
        "me",
        "us",
        "that",
        "nobody",
        "nothing",
        *(
            "who",
            "what",
            "everything",
            "everyone",
            "somebody",
            "something",
            "himself",
            "herself",
        ),
    }
)
_BARE_PARTICLES = frozenset({"out", "off", "away", "back"})


@dataclass(frozen=True, slots=True)
class Verb:
    """A finite verb in the present: its base form, the index of its subject's word (-1: none), and the number."""

    base: str
    subject: int
    is_plural: bool


class Words:
    """The words of a text with their neighbours. `names` are words that name people."""

    def __init__(self, text: str, names: AbstractSet[str]) -> None:
        self.words = list(_WORD.finditer(text))
        self._names = names
        self._low = [match.group().lower().replace("’", "'") for match in self.words]
        ends = [0, *(match.end() for match in self.words)]
        self._broken = [bool(_BREAK.search(text[ends[i] : match.start()])) for i, match in enumerate(self.words)]

    def _at(self, index: int) -> str:
        return self._low[index] if 0 <= index < len(self._low) else ""

    def _next(self, index: int) -> str:
        """The word after, "" where the clause ends."""
        return "" if index + 1 >= len(self._low) or self._broken[index + 1] else self._low[index + 1]

    def _is_name(self, index: int) -> bool:
        text = self.words[index].group()
        return text in self._names or (text[0].isupper() and index > 0)

    def _goes_on_as_verb(self, index: int) -> bool:
        at = index + 1
        while self._at(at) in ("never", "always", "only", "also", "still"):
            at += 1
        word = "" if at < len(self._broken) and self._broken[at] else self._at(at)
        known = third_persons().get(word)
        return word in ("is", "has", "does") or (known is not None and known not in may_be_nouns())

    def _is_infinitive(self, index: int) -> bool:
        before = self._at(index - 1)
        if before in ("not", "never", "always", "also", "still", "only", "ever"):
            before = self._at(index - 2)
        return before in listed("modals") and self._low[index] not in ("is", "has", "are", "am", "does")

    def _is_in_phrase(self, index: int) -> bool:
        """Straight after a preposition that is no particle of a verb."""
        before = self._at(index - 1)
        return before in listed("prepositions") and not (self._broken[index] or before in _BARE_PARTICLES)

    def _verb_ahead(self, index: int) -> bool:
        """Whether a sure verb stands in what is left of the clause, so that this word need not be one."""
        for at in range(index + 1, min(index + 12, len(self._low))):
            word = self._low[at]
            if self._broken[at] or word in JOINS or word in listed("openers") - {"as", "before", "after", "since"}:
                return False
            base = third_persons().get(word)
            if word in NOUNISH_AUXILIARIES or (base is not None and base not in may_be_nouns()):
                return True
        return False

    def _is_marked(self, index: int, *, is_waited_for: bool) -> bool:
        """Whether the word before makes this a noun: "the", "her", "eleven"; but not "the eleven" as a subject."""
        before = self._at(index - 1)
        if before not in listed("determiners") or (index > 1 and self._is_name(index - 1)):
            return False
        is_whole = before in COUNTED and (index < 2 or self._at(index - 2) in ("the", "of", "all"))
        return not (is_waited_for and is_whole)

    def _is_noun_before_verb(self, index: int, base: str, after: str) -> bool:
        """Whether the next word is the verb of this one: "the records show that", "the guards arrest Ada"."""
        if after not in bases() - listed("prepositions") or base in ("help", "dare"):
            return False
        is_name_next = index + 2 < len(self.words) and self.words[index + 2].group()[0].isupper()
        return is_name_next or self._at(index + 2) in listed("determiners") | {"that"}

    def _is_modal(self, index: int) -> bool:
        """Whether the word is "can", "must" and the like with a subject before it; "her will" is none."""
        is_modal = self._low[index] in listed("pure_modals")
        return is_modal and not (self._at(index - 1) in listed("determiners") or self._at(index - 1).endswith("'s"))

    def _is_to_do(self, index: int) -> bool:
        """Whether this is the "to" of an infinitive."""
        after = self._next(index)
        return self._low[index] == "to" and after in bases() and after not in listed("determiners")


def is_inverted(word: str, after: str) -> bool:
    """Whether `word` may stand before its subject: "inside sits a man"."""
    return word in ("sits", "stands", "lies", "hangs", "waits", "comes", "lives") and after in ("a", "an", "the")
