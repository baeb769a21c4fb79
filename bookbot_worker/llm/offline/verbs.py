"""English verbs: their past and present forms, and the retelling of a present-tense sentence in the past.

A small rule book, not a parser: it changes what it is sure of and leaves the rest as it is.
"""

import re
from enum import StrEnum
from functools import lru_cache

from bookbot_worker.llm.offline.tables import table


class Tense(StrEnum):
    """The tense a scene is told in."""

    PAST = "past"
    PRESENT = "present"


class Person(StrEnum):
    """What a verb agrees with: I, he or she, they."""

    FIRST = "first"
    THIRD = "third"
    PLURAL = "plural"


_MODALS = frozenset({"can", "ought", "should"})
_SIMPLE = {
    "is": "was",
    "are": "were",
    "am": "was",
    "has": "had",
    "have": "had",
    "does": "did",
    "do": "did",
    "can": "could",
    "cannot": "could not",
    "can't": "couldn't",
    "will": "would",
    "won't": "wouldn't",
    "may": "might",
    "must": "had to",
    "isn't": "wasn't",
    "aren't": "weren't",
    "doesn't": "didn't",
    "don't": "didn't",
    "hasn't": "hadn't",
    "today": "that day",
    "tonight": "that night",
    "yesterday": "the day before",
    "now": "now",
}
_SUBJECTS = frozenset(
    {"he", "she", "it", "who", "that", "which", "nobody", "somebody", "someone", "everyone", "everybody"}
)
_OBJECTS = frozenset({"a", "an", "the", "it", "him", "her", "his", "them", "their", "its"})
_PLURAL_SUBJECTS = frozenset({"they", "we", "both"})
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_QUOTED = re.compile(r"([“\"][^”\"]*[”\"])")


@lru_cache(maxsize=4096)
def conjugate(base: str, tense: Tense, person: Person) -> str:
    """`base` ("be", "carry") for a subject, in a tense."""
    if base == "be":
        if tense is Tense.PAST:
            return "were" if person is Person.PLURAL else "was"
        return {Person.FIRST: "am", Person.THIRD: "is", Person.PLURAL: "are"}[person]
    if tense is Tense.PAST:
        return past(base)
    return third(base) if person is Person.THIRD else base


@lru_cache(maxsize=4096)
def past(base: str) -> str:
    """The simple past, "carried" for "carry"."""
    verbs = table("verbs")
    if base in verbs["irregular"]:
        return str(verbs["irregular"][base])
    if base.endswith("e"):
        return base + "d"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ied"
    return base + base[-1] * (base in verbs["doubled"]) + "ed"


@lru_cache(maxsize=4096)
def third(base: str) -> str:
    """The third person of the present, "carries" for "carry"."""
    if base in _MODALS:
        return base
    if base == "have":
        return "has"
    if base.endswith(("s", "x", "z", "ch", "sh", "o")):
        return base + "es"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + "s"


def in_past(sentence: str, names: frozenset[str]) -> str:
    """A present-tense sentence told in the past, quoted speech left alone. `names` are words that name people."""
    parts = _QUOTED.split(sentence)
    return "".join(part if index % 2 else _plain_in_past(part, names) for index, part in enumerate(parts))


def in_first_person(sentence: str, names: tuple[str, ...], tense: Tense) -> str:
    """`sentence` with the person called by `names` (the longest first) as "I", and the verbs that follow agreeing."""
    anyone = "|".join(re.escape(name) for name in names)
    sentence = re.sub(rf"\b(?:{anyone})['’]s\b", "my", sentence)
    sentence = re.sub(
        rf"\b(to|with|from|for|of|at|by|on|tells|told|gives|gave|asks|asked) (?:{anyone})\b", r"\1 me", sentence
    )
    sentence = re.sub(rf"\b(?:{anyone})\b", "I", sentence)
    if tense is Tense.PRESENT:
        sentence = re.sub(
            r"\bI (\w+ly )?([^\W\d_]+)\b", lambda match: f"I {match[1] or ''}{_first(match[2])}", sentence
        )
    return sentence[:1].upper() + sentence[1:]


def _first(word: str) -> str:
    return "am" if word == "is" else {"has": "have"}.get(word, _third_persons().get(word, word))


@lru_cache(maxsize=1)
def _third_persons() -> dict[str, str]:
    verbs = table("verbs")
    return {
        third(base): base for base in (*verbs["irregular"], *verbs["regular"]) if base not in _MODALS and base != "be"
    }


@lru_cache(maxsize=1)
def _ambiguous() -> frozenset[str]:
    return frozenset(third(base) for base in table("verbs")["also_nouns"])


@lru_cache(maxsize=1)
def _no_verb_after() -> frozenset[str]:
    return frozenset(table("words")["no_verb_after"])


def _plain_in_past(text: str, names: frozenset[str]) -> str:
    result: list[str] = []
    before = ["", "", ""]
    end = 0
    found = list(_WORD.finditer(text))
    nexts = [*(match.group().lower() for match in found), ""][1:]
    for match, following in zip(found, nexts, strict=True):
        word = match.group()
        gap = text[end : match.start()]
        result.append(gap)
        if "," in gap or ";" in gap or ":" in gap:
            before = [*before[1:], ","]
        result.append(_past_of(word, before, following, names))
        before = [*before[1:], word]
        end = match.end()
    return "".join(result) + text[end:]


def _past_of(word: str, before: list[str], following: str, names: frozenset[str]) -> str:
    last = before[-1]
    lower = word.lower()
    if word.isupper() or (word[0].isupper() and last):
        return word
    if lower in _SIMPLE:
        if lower in ("have", "do") and last.lower() in (
            "to",
            "not",
            "will",
            "would",
            "can",
            "could",
            "must",
            "may",
            "might",
        ):
            return word
        return _like(word, _SIMPLE[lower])
    base = _third_persons().get(lower)
    has_subject = last in names or last.lower() in _SUBJECTS or (last.endswith("ly") and len(last) > 4)
    if base is not None and last.lower() not in _no_verb_after():
        if lower not in _ambiguous() or has_subject or last.lower() in ("and", "but", "then", "never", "not", "also"):
            return _like(word, past(base))
        is_next_in_a_row = last == "," and following in _OBJECTS
        return _like(word, past(base)) if is_next_in_a_row or before[-2].lower() in ("a", "an") else word
    if (
        base is None
        and has_subject
        and last.lower() not in ("it", "that", "which")
        and (unknown := _unknown_base(lower))
    ):
        return _like(word, past(unknown))
    if lower in _third_persons().values() and _is_plural_subject(before, names):
        return _like(word, past(lower))
    return word


def _unknown_base(word: str) -> str | None:
    """The base of a third person that is in no list, "describe" for "describes"; None where it is hardly a verb."""
    if not word.endswith("s") or word.endswith(("ss", "us", "is", "'s", "’s")) or len(word) < 5:
        return None
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("shes", "ches", "xes", "sses", "oes")) else word[:-1]


def _is_plural_subject(before: list[str], names: frozenset[str]) -> bool:
    """Whether the words before are "they", "Ada and Charles" or "her letters"."""
    last = before[-1]
    joined = last in names and "and" in before[:-1]
    noun = (
        last.endswith("s")
        and "'" not in last
        and "’" not in last
        and before[-2].lower() in _no_verb_after() - {"to", "of", "in", "on", "at", "by", "for"}
    )
    return last.lower() in _PLURAL_SUBJECTS or joined or (noun and last.lower() not in _third_persons())


def _like(word: str, form: str) -> str:
    return form[:1].upper() + form[1:] if word[0].isupper() else form
