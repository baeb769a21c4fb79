"""Who is mentioned where: the names of a list found in a text, in one pass over its words."""

import re
from collections.abc import Iterator
from functools import lru_cache

from bookbot_worker.llm.offline.names import family_name, forms

_WORD = re.compile(r"\w+")


def named_in(text: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `names` that `text` mentions, by full name or a distinctive part of it, in order of appearance."""
    return tuple(dict.fromkeys(name for _, _, name in mentions(text, names)))


def mentions(text: str, names: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    """Every mention as (start, end, name), from left to right, none inside another."""
    index = _index(names)
    reached = 0
    for word in _WORD.finditer(text):
        if word.start() < reached:
            continue
        for pattern, name in index.get(word.group().lower(), ()):
            if match := pattern.match(text, word.start()):
                reached = match.end()
                yield match.start(), match.end(), name
                break


@lru_cache(maxsize=32)
def _index(names: tuple[str, ...]) -> dict[str, list[tuple[re.Pattern[str], str]]]:
    """The forms of all names by the first word of each, longer forms first; what two names share is the first's."""
    families = [family_name(name) for name in names]
    known: dict[str, str] = {}
    for name, family in zip(names, families, strict=True):
        for form in (*forms(name), *([family] if family and families.count(family) == 1 else ())):
            known.setdefault(form, name)
    index: dict[str, list[tuple[re.Pattern[str], str]]] = {}
    for form in sorted(known, key=lambda form: (-len(form), form)):
        if first := _WORD.match(form):
            # Of a name of several words the case may differ; "will" is not Will, nor "port" Port Annis.
            pattern = re.compile(rf"{re.escape(form)}\b", re.IGNORECASE if " " in form else 0)
            index.setdefault(first.group().lower(), []).append((pattern, known[form]))
    return index
