"""Which pronoun a text uses for a person: what it says outright, else what its sentences about the person suggest."""

import re
from collections import Counter
from functools import lru_cache

from bookbot_worker.llm.offline.mentions import mentions
from bookbot_worker.llm.offline.names import called, forms, pronoun_of_title
from bookbot_worker.llm.offline.text import bounded, sentences

_SAID = re.compile(r"\bpronouns?: ?(she|he|they)\b|\b(she|he|they)/(?:her|him|them)\b", re.IGNORECASE)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_ITEM = re.compile(
    r"^[ \t]*(?:[-*+] |\d+[.)] )?\*\*([^*\n]{2,60})\*\*(.*)$|^[ \t]*[-*+] ([^,:(–—\n]{2,60})[,:(–—](.*)$", re.MULTILINE
)
_WORDS = {
    "she": re.compile(r"\b(?:she|her|hers|herself)\b", re.IGNORECASE),
    "he": re.compile(r"\b(?:he|him|his|himself)\b", re.IGNORECASE),
}
_NOUNS = {
    "she": re.compile(
        r"[\s,:–—-]{0,3}(?:\d{1,3},? )?(?:an?|the) (?:[\w-]{1,30} ){0,3}"
        r"(?:mother|daughter|sister|widow|wife|queen|girl|woman|aunt|nun)\b",
        re.IGNORECASE,
    ),
    "he": re.compile(
        r"[\s,:–—-]{0,3}(?:\d{1,3},? )?(?:an?|the) (?:[\w-]{1,30} ){0,3}"
        r"(?:father|son|brother|widower|husband|king|boy|man|uncle|monk)\b",
        re.IGNORECASE,
    ),
}
_MOST_SENTENCES = 400


@lru_cache(maxsize=1024)
def pronoun_of(name: str, text: str, people: tuple[str, ...] = ()) -> str:
    """ "she", "he" or "they": what `text` uses for the person, as far as it can be seen.

    `people` are all who are in it: a sentence that names two of them decides nothing about either.
    """
    text = bounded(text, 65_536)
    said = _said(text)
    for form in forms(name):
        if match := re.search(rf"\b{re.escape(form)},? \((she|he|they)\b", text, re.IGNORECASE):
            return match.group(1).lower()
        if form in said:
            return said[form]
    if titled := pronoun_of_title(name):
        return titled
    weights: Counter[str] = Counter()
    for form in forms(name):
        for item in _items(text).get(form, ()):
            weights += _weighed(item) + _weighed(item)
    everyone = people if name in people else (*people, name)
    weights += _told(text, everyone)[name]
    return "they" if weights["she"] == weights["he"] else max(("she", "he"), key=lambda pronoun: weights[pronoun])


def _weighed(text: str) -> Counter[str]:
    """How often `text` uses each pronoun, and whether it begins with "a woman" or "the king"."""
    found = Counter({pronoun: len(pattern.findall(text)) for pronoun, pattern in _WORDS.items()})
    for pronoun, pattern in _NOUNS.items():
        found[pronoun] += 2 * bool(pattern.match(text))
    return found


@lru_cache(maxsize=16)
def _said(text: str) -> dict[str, str]:
    """What headed sections and list items say outright ("Pronouns: she/her"), by every form of the name they head."""
    headings = list(_HEADING.finditer(text))
    ends = [*(match.start() for match in headings), len(text)][1:]
    told = [(match.group(1), text[match.end() : end]) for match, end in zip(headings, ends, strict=True)]
    told += [(name, item) for name, found in _items(text).items() for item in found]
    said: dict[str, str] = {}
    for name, about in told:
        if match := _SAID.search(about):
            for form in (*forms(name.strip()), called(name.strip())):
                said.setdefault(form, (match[1] or match[2]).lower())
    return said


@lru_cache(maxsize=16)
def _items(text: str) -> dict[str, list[str]]:
    """The list items about somebody by name: "- **Mara Venn**, 34, keeps the lighthouse"."""
    items: dict[str, list[str]] = {}
    for match in _ITEM.finditer(text):
        name = (match[1] or match[3]).strip(" :")
        items.setdefault(name, []).append(match[2] or match[4] or "")
    return items


@lru_cache(maxsize=16)
def _told(text: str, people: tuple[str, ...]) -> dict[str, Counter[str]]:
    """What the sentences that name one person alone suggest about each, with the sentences that go on about them."""
    weights: dict[str, Counter[str]] = {name: Counter() for name in people}
    for paragraph in re.split(r"\n\n|\n(?=[ \t]*[-*+#])", text):
        about = ""
        for sentence in sentences(paragraph)[:_MOST_SENTENCES]:
            named = list(dict.fromkeys(name for _, _, name in mentions(sentence, people)))
            if named or not re.match(r"(?:She|He|Her|His)\b", sentence):
                about = named[0] if len(named) == 1 else ""
            if about:
                # What stands before the name is about somebody else: "Her partner, Omar".
                start = next((end for _, end, _ in mentions(sentence, people)), 0)
                weights[about] += _weighed(sentence[start:])
    return weights
