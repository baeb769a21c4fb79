"""What people are called: their names without titles, and every form a text may mention a name by."""

import re
from functools import lru_cache

from bookbot_worker.llm.offline.tables import table

_ARTICLES = frozenset({"the", "a", "an"})
_NO_FIRST_NAME = frozenset({"of", "the", "de", "von", "van", "and"})


@lru_cache(maxsize=1024)
def called(name: str) -> str:
    """What people say: "Lena" for "Detective Lena Fox", "Mr Smith", "Queen Isolde"; a name with an article whole."""
    words = name.split()
    titles = _titles(words)
    if not words or words[0].lower() in _ARTICLES:
        return name
    if not titles:
        return words[0]
    rest = words[titles:]
    if len(rest) == 1:
        return name
    title = words[titles - 1]
    if _bare(title) in _kind("family"):
        return f"{title} {rest[-1]}"
    if _bare(title) in _kind("first") or rest[1].lower() in _NO_FIRST_NAME:
        return f"{title} {rest[0]}"
    return rest[0]


@lru_cache(maxsize=1024)
def forms(name: str) -> tuple[str, ...]:
    """Every way a text may mention `name`, the longest first; a family name alone is not among them."""
    bare = without_article(name)
    words = bare.split()
    if bare != name or not words:
        return (bare,) if bare else ()
    given = words[_titles(words) :]
    found = {bare, called(name), " ".join(given), given[0], f"{words[0]} {words[-1]}"}
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def family_name(name: str) -> str:
    """The last of several names, "Fox" for "Detective Lena Fox"; "" where there is none."""
    words = without_article(name).split()
    return words[-1] if len(words) - _titles(words) > 1 and len(words[-1]) > 2 and words[-1][0].isupper() else ""


def pronoun_of_title(name: str) -> str:
    """ "she" or "he" where a title says so ("Queen", "Mr"), else ""."""
    words = name.split()
    for word in words[: _titles(words)]:
        for pronoun in ("she", "he"):
            if _bare(word) in _kind(pronoun):
                return pronoun
    return ""


def without_article(name: str) -> str:
    """`name` without "the", "a" or "an" before it."""
    return re.sub(r"^(?:the|an?) ", "", name, flags=re.IGNORECASE)


def _titles(words: list[str]) -> int:
    """How many words at the beginning are titles; at least one word is a name."""
    count = 0
    while count < len(words) - 1 and _bare(words[count]) in _every_title():
        count += 1
    return count


def _bare(word: str) -> str:
    return word.lower().rstrip(".")


@lru_cache(maxsize=8)
def _kind(kind: str) -> frozenset[str]:
    return frozenset(table("words")["titles"][kind])


@lru_cache(maxsize=1)
def _every_title() -> frozenset[str]:
    return _kind("first") | _kind("family") | _kind("dropped")
