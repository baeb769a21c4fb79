"""What single words can be: third persons, past forms, plurals, and the closed classes from `words.yaml`."""

from functools import lru_cache

from bookbot_worker.llm.offline.tables import table
from bookbot_worker.llm.offline.verbs import past, third

MODALS = frozenset({"can", "ought", "should"})


@lru_cache(maxsize=32)
def listed(name: str) -> frozenset[str]:
    """The list `name` of `words.yaml` as a set."""
    return frozenset(table("words")[name])


@lru_cache(maxsize=4096)
def is_plural(noun: str) -> bool:
    """Whether `noun` looks like several things."""
    lower = noun.lower()
    if lower in listed("many_without_s"):
        return True
    return (
        len(lower) > 2
        and lower.endswith("s")
        and not lower.endswith(("ss", "us", "is", "'s", "’s"))
        and (lower not in listed("one_with_s"))
    )


@lru_cache(maxsize=1)
def bases() -> frozenset[str]:
    """Every verb of the lists in its base form, without "be" and the modals."""
    verbs = table("verbs")
    return frozenset((*verbs["irregular"], *verbs["regular"])) - MODALS - {"be"}


@lru_cache(maxsize=1)
def third_persons() -> dict[str, str]:
    """The base form of every known third person: "carries" to "carry"."""
    return {third(base): base for base in bases()}


@lru_cache(maxsize=1)
def may_be_nouns() -> frozenset[str]:
    """The verbs whose third person may be a plural noun: "plan"."""
    return frozenset(table("verbs")["also_nouns"])


@lru_cache(maxsize=1)
def mostly_verbs() -> frozenset[str]:
    """Those of `may_be_nouns` that are verbs where nothing decides: "wait"."""
    return frozenset(table("verbs")["mostly_verbs"])


@lru_cache(maxsize=1)
def past_forms() -> frozenset[str]:
    """The simple pasts that are no base forms: "went", "carried"; "cut" is none."""
    return (frozenset(past(base) for base in bases()) | {"was", "were", "had", "did"}) - bases()


@lru_cache(maxsize=4096)
def unlisted_base(word: str) -> str:
    """The base of a third person that is in no list, "zombify" for "zombifies"; "" where it is hardly a verb."""
    if len(word) < 5 or not is_plural(word) or word in listed("many_without_s"):
        return ""
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("shes", "ches", "xes", "sses", "oes")) else word[:-1]
