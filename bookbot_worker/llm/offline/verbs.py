"""English verbs: their past and present forms."""

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
# One vowel between consonants, the last of which is doubled; "quiz" has one vowel too.
_AGAIN = re.compile(r"(re|over|under|out|un|mis|fore)(\w{3,})")
_SHORT = re.compile(r"(?:[^aeiou]*|qu)[aeiou][bdfgklmnprtvz]")


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
    if (match := _AGAIN.match(base)) and base not in _regular() and match[2] in verbs["irregular"]:
        return match[1] + past(match[2])
    if base.endswith("e"):
        return base + "d"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ied"
    if base.endswith("ic"):
        return base + "ked"
    return base + base[-1] * doubles(base) + "ed"


def doubles(base: str) -> bool:
    """Whether the last consonant is doubled: of short verbs by rule ("sob"), of longer ones by list ("permit")."""
    return bool(_SHORT.fullmatch(base)) or base in _doubled()


@lru_cache(maxsize=1)
def _regular() -> frozenset[str]:
    return frozenset(table("verbs")["regular"])


@lru_cache(maxsize=1)
def _doubled() -> frozenset[str]:
    return frozenset(table("verbs")["doubled"])


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
