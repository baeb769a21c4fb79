"""What the offline author understands of a brief: title, people and places, what is said of them, the plot by chapters.

Owns reading a brief; it composes nothing. Patterns, not understanding: what they miss is simply not used.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from bookbot_worker.llm.offline.lexicon import listed, third_persons
from bookbot_worker.llm.offline.mentions import named_in
from bookbot_worker.llm.offline.names import called, forms, without_article
from bookbot_worker.llm.offline.places import PLACE, is_place
from bookbot_worker.llm.offline.pronouns import pronoun_of
from bookbot_worker.llm.offline.text import bounded, sentences, units

_BOLD_NAME = re.compile(
    r"^[ \t]*(?:[-*+][ \t]|\d{1,3}[.)][ \t])?[ \t]*\*\*(?P<name>[^*\n:]{2,60}?):?\*\*[:,]?[ \t]*(?P<about>.*)$",
    re.MULTILINE,
)
# The same without emphasis: "- Mara Venn: keeps the lighthouse".
_PLAIN_NAME = re.compile(
    r"^[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t]+(?P<name>(?:[A-ZÀ-Þ][\w’'.-]{0,30}(?:[ \t]+|(?=:| [–—]))){1,5})(?::|[–—])[ \t]+"
    r"(?P<about>.+)$",
    re.MULTILINE,
)
_HEADING = re.compile(r"^#{1,6}[ \t]+(?P<title>.+)$")
_NAME = re.compile(r"\b[A-ZÀ-Þ][\w’'-]{1,40}(?: (?:of (?:the )?)?[A-ZÀ-Þ][\w’'-]{1,40}){0,3}")
_ABOUT_THE_BOOK = re.compile(
    r"\b(novel|story|fairy tale|book|reader|readers|genre|narrator|tone|chapters?|words|themes?|mystery of|about a)\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"\b(she|he)\b", re.IGNORECASE)
_MOST_NAMES = 200
_MOST_PEOPLE = _MOST_PLACES = 40


@dataclass(frozen=True, slots=True)
class Brief:
    """What a brief says. `people` and `places` in order of weight; `about` maps a name to what is said of it.

    `chapters` are (title, sentences of the plot) where the brief divides itself, else one untitled entry.
    """

    title: str
    people: tuple[str, ...]
    places: tuple[str, ...]
    chapters: tuple[tuple[str, tuple[str, ...]], ...]
    about: dict[str, str] = field(default_factory=dict)

    @property
    def plot(self) -> tuple[str, ...]:
        """All sentences of the plot."""
        return tuple(sentence for _, sentences in self.chapters for sentence in sentences)


def resolved(found: list[str], people: tuple[str, ...], text: str) -> list[str]:
    """`found` with every "she" or "he" that its own sentence leaves unclear replaced by a name."""
    clear: list[str] = []
    about = {"she": "", "he": "", "they": ""}
    for sentence in found:
        named = named_in(sentence, people)
        unclear = _PRONOUN.search(sentence)
        verbs = third_persons().keys()
        if unclear and any(word in verbs for word in sentence[: unclear.start()].split()):
            unclear = None
        if unclear and (name := about[unclear.group().lower()]):
            before = named_in(sentence[: unclear.start()], people)
            if name not in before and unclear.group().lower() not in {pronoun_of(o, text, people) for o in before}:
                sentence = sentence[: unclear.start()] + called(name) + sentence[unclear.end() :]
        for name in reversed(named):
            about[pronoun_of(name, text, people)] = name
        clear.append(sentence)
    return clear


def read_brief(text: str) -> Brief:
    """Understand a brief as far as it goes, its first 32 KB at most; an empty one gives empty values."""
    return _read(bounded(text))


@lru_cache(maxsize=64)
def _read(text: str) -> Brief:
    title, listed_as, blocks = _blocks(text)
    plot_text = " ".join(sentence for _, found in blocks for sentence in found) or text
    about = {name: match["about"].strip() for match in _listed_names(text) if (name := _bold_name(match))}
    about = dict(list(about.items())[: _MOST_PEOPLE + _MOST_PLACES])
    places = [
        name for name in about if listed_as.get(name) == "places" or (name not in listed_as and PLACE.fullmatch(name))
    ]
    people = [name for name in about if name not in places]
    known = _Known((*people, *places))
    for name in _names(plot_text):
        if name in known or name in title:
            continue
        known.add(name)
        (places if is_place(name, plot_text) else people).append(name)
        if len(people) >= _MOST_PEOPLE:
            break
    if not (places and about):
        places += _unnamed_places(plot_text, _Known(places), people)
    everyone = tuple(people[:_MOST_PEOPLE])
    chapters = [(name, tuple(units(resolved(list(found), everyone, text)))) for name, found in blocks]
    return Brief(title, everyone, tuple(places[:_MOST_PLACES]), tuple(chapters), about)


def _unnamed_places(text: str, known: "_Known", people: list[str]) -> list[str]:
    """Places that only a noun names: "the old mill"."""
    found: list[str] = []
    names = set(people)
    for match in PLACE.finditer(text):
        place = re.sub(r"^(an?|the) ", "The ", match.group())
        if place not in known and names.isdisjoint(place.split()) and not any(word in place for word in people):
            known.add(place)
            found.append(place[:1].upper() + place[1:])
            if len(found) >= _MOST_PLACES:
                break
    return found


def _listed_names(text: str) -> list[re.Match[str]]:
    found = [*_BOLD_NAME.finditer(text), *_PLAIN_NAME.finditer(text)]
    return sorted(found, key=lambda match: match.start())


def _bold_name(match: re.Match[str]) -> str:
    """The bold text, if it may be a name; a label such as "Genre" is none."""
    name = match["name"].strip()
    is_name = re.search(r"\w", name) and name.lower() not in listed("labels") and name not in listed("no_names")
    return name if is_name else ""


def _blocks(text: str) -> tuple[str, dict[str, str], list[tuple[str, tuple[str, ...]]]]:
    """The title, which list every bold name stands in, and the plot by the headings it stands under."""
    title, heading, level = "", "", 0
    listed_as: dict[str, str] = {}
    blocks: list[tuple[str, list[str]]] = [("", [])]
    for paragraph in re.split(r"\n(?=#)|\n\n|(?<=\S)\n(?=[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t])", text):
        head, _, body = paragraph.strip().partition("\n") if paragraph.strip().startswith("#") else ("", "", paragraph)
        if match := _HEADING.match(head):
            level = len(head) - len(head.lstrip("#"))
            heading = re.sub(
                r"^(chapter\s+\w+|\d+)\s*[:.–—-]*\s*", "", match["title"].strip("*_ ")[:120], flags=re.IGNORECASE
            )
            if level == 1 and not title:
                title, heading = heading, ""
        if match := _BOLD_NAME.match(body.strip()) or _PLAIN_NAME.match(body.strip()):
            listed_as[match["name"].strip()] = (
                "places" if re.search(r"place|setting|location|world|where", heading, re.IGNORECASE) else "people"
            )
            continue
        body = re.sub(r"^\s*(?:[-*+]|\d{1,3}[.)])\s+", "", body)
        if re.match(r"\s*(genre|length|tone|audience|title|words?|style|theme)s?\s*:", body, re.IGNORECASE):
            continue
        plot = tuple(
            s for s in sentences(" ".join(body.split())) if not _ABOUT_THE_BOOK.search(s) and len(s.split()) > 3
        )
        if plot and heading and blocks[-1][0] != heading and level >= 2:
            blocks.append((heading, []))
        blocks[-1][1].extend(plot)
    return title, listed_as, [(name, tuple(found)) for name, found in blocks if found] or [("", ())]


def _names(text: str) -> list[str]:
    """Capitalised names, the most frequent first; single words count only where they also stand inside a sentence."""
    found: Counter[str] = Counter()
    inside: set[str] = set()
    for match in _NAME.finditer(text):
        words = match.group().split()
        while words and words[0] in listed("no_names"):
            words.pop(0)
        name = re.sub(r"['’]s?$", "", " ".join(words))
        if name and name not in listed("no_names") and len(name) > 1:
            found[name] += 1
            before = text[max(0, match.start() - 3) : match.start()]
            if not re.search(r"(?:^|[.!?:\n“\"]\s*)$", before) or len(words) > 1:
                inside.add(name)
    often = [name for name, times in found.most_common() if name in inside or times > 1][:_MOST_NAMES]
    known = _Known(())
    kept: list[str] = []
    for name in sorted(often, key=lambda name: (-len(name.split()), -found[name])):
        if name not in known:
            known.add(name)
            kept.append(name)
    return sorted(kept, key=lambda name: -found[name] - sum(found[part] for part in name.split() if part != name))


class _Known:
    """Names seen so far; whoever is one of them, or a part of one, is in it."""

    def __init__(self, names: Iterable[str]) -> None:
        self._phrases: set[str] = set()
        for name in names:
            self.add(name)

    def __contains__(self, name: str) -> bool:
        return without_article(name).lower() in self._phrases

    def add(self, name: str) -> None:
        words = name.lower().split()
        self._phrases |= {form.lower() for form in forms(name)}
        self._phrases |= {
            " ".join(words[start:end]) for start in range(len(words)) for end in range(start + 1, len(words) + 1)
        }
