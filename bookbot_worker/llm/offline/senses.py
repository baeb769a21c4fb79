"""What there is to hear, smell, see and touch in a place: the fillers of the senses, by what a text names most."""

import re
from collections import Counter
from functools import lru_cache

from bookbot_worker.llm.offline.tables import table


def senses_for(where: str, whole: str) -> dict[str, list[str]]:
    """The fillers for the kinds of place that `where` and `whole`, the brief around it, name most."""
    kinds = table("senses")["kinds"]
    seen = _counted(where) + _counted(whole)
    weights = {name: sum(seen[word] for word in kind["words"]) for name, kind in kinds.items()}
    heaviest = max(weights.values())
    chosen = [kinds[name] for name in weights if name == "any" or weights[name] * 2 > heaviest]
    return {
        sense: [filler for kind in chosen for filler in kind[sense]]
        for sense in ("sound", "smell", "sight", "surface", "weather")
    }


@lru_cache(maxsize=16)
def _counted(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.lower()))
