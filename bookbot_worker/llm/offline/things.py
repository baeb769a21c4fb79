"""The things a text is about: nouns with an article that are no place, no person and no plural, by weight."""

import re
from collections import Counter
from functools import lru_cache

from bookbot_worker.llm.offline.lexicon import is_plural, listed
from bookbot_worker.llm.offline.places import PLACE_WORD

_THING = re.compile(
    r"\b(?:the|a|an|this) ((?:(?!(?:an?|the)\b)[a-z-]{1,30} ){0,2}?(?!(?:an?|the)\b)[a-z-]{3,30})"
    r"(?=[.,;:!?\n]| (?:of|in|to|and|that|which|who|with|on|from|for|at|by|"
    r"[a-z]{1,30}s|was|had|into|under|before|after|she|he|they|it|but|or|as|when|where|will|cannot|can|must|may)\b|$)"
)
_MOST = 4


@lru_cache(maxsize=512)
def things_in(text: str, whole: str = "") -> tuple[str, ...]:
    """Things `text` is about, each as "the …"; first those that `whole`, the story around it, names most often."""
    found: Counter[str] = Counter()
    for match in _THING.finditer(" ".join(text.split())):
        words = match.group(1).split()
        if (
            words[-1] not in listed("no_things")
            and words[0] not in listed("no_things")
            and words[0] not in listed("determiners")
            and not any(is_plural(word) for word in words)
            and not words[0].endswith("est")
            and not words[-1].endswith(("ly", "ing", "ed", "er", "est"))
        ):
            found["the " + " ".join(words)] += 1
    around = _counted(whole)
    ranked = sorted(found, key=lambda thing: -found[thing] - around[thing.split()[-1]])
    return tuple([thing for thing in ranked if not PLACE_WORD.search(thing)][:_MOST])


@lru_cache(maxsize=16)
def _counted(text: str) -> Counter[str]:
    return Counter(re.findall(r"[\w-]+", text.lower()))
