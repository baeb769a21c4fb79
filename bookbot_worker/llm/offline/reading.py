"""What the offline author understands of a prompt: its parts, the people and places named, the plot, the things.

Owns reading; it composes nothing. The parts are marked `=== NAME ===`, as in the prompts that come with the package;
a prompt without marks is one part. Patterns, not understanding: what they miss is simply not used.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

from bookbot_worker.llm.offline.tables import table

_PART = re.compile(r"^===[ \t]*([A-Z][A-Z' ]*?)[ \t]*===[ \t]*$", re.MULTILINE)
_LABELLED = re.compile(r"^(?P<label>[A-Za-z ]{3,20}):[ \t]*(?P<value>.+)$", re.MULTILINE)
_BOLD_NAME = re.compile(
    r"^\s*(?:[-*+]|\d+[.)])?\s*\*\*(?P<name>[^*\n:]{2,60}?):?\*\*[:,]?\s*(?P<about>.*)$", re.MULTILINE
)
_HEADING = re.compile(r"^#{1,6}[ \t]+(?P<title>.+)$")
_SENTENCE = re.compile(r"[^.!?…]+(?:[.!?…]+[”\"’')]*(?=\s|$)|$)")
_NAME = re.compile(r"\b[A-ZÀ-Þ][\w’'-]+(?:[ \t]+(?:of[ \t]+(?:the[ \t]+)?)?[A-ZÀ-Þ][\w’'-]+){0,3}")
_PLACE_NOUNS = (
    "house|church|head|port|harbour|harbor|island|bay|station|library|city|tower|hall|bridge|wood|woods|forest|river|lake|school|"
    "inn|quay|lighthouse|observatory|market|mill|castle|palace|street|square|hospital|hotel|cabin|village|mountain|valley|"
    "desert|abbey|monastery|archive|museum|academy|garden|farm|cave|mine|ship|theatre|theater|prison|temple|cafe|café|bar|"
    "office|apartment|kitchen|cellar|attic|workshop|laboratory|lab|bakery|bookshop|university|cemetery|beach|road|hill|moor"
)
_PLACE = re.compile(
    rf"\b(?:The |the |an? )(?:[a-z]+ ){{0,1}}(?:{_PLACE_NOUNS})\b|\b(?:[A-Z][\w’']+ )+(?i:{_PLACE_NOUNS})\b"
)
_PLACE_WORD = re.compile(rf"\b(?:{_PLACE_NOUNS})s?\b")
_THING = re.compile(
    r"\b(?:the|a|an|this)\s+((?:(?!(?:an?|the)\b)[a-z-]+\s+){0,2}?(?!(?:an?|the)\b)[a-z-]{3,})(?=[.,;:!?]|\s+(?:of|in|to|and|that|which|who|with|on|from|for|at|by|"
    r"[a-z]+s|was|had|into|under|before|after|she|he|they|it|but|or|as|when|where|will|cannot|can|must|may)\b|$)"
)
_ABOUT_THE_BOOK = re.compile(
    r"\b(novel|story|book|reader|readers|genre|narrator|tone|chapters?|words|themes?|mystery of|about a)\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"\b(she|he)\b", re.IGNORECASE)
_SHE = re.compile(r"\b(she|her|hers|herself|mother|daughter|sister|widow|wife|queen|girl|woman|aunt)\b", re.IGNORECASE)
_HE = re.compile(r"\b(he|him|his|himself|father|son|brother|widower|husband|king|boy|man|uncle)\b", re.IGNORECASE)


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


def parts(prompt: str) -> dict[str, str]:
    """The marked parts by name; what stands before the first mark is called ""."""
    pieces = _PART.split(prompt)
    return {"": pieces[0].strip()} | {name: text.strip() for name, text in zip(pieces[1::2], pieces[2::2], strict=True)}


def sentences(text: str) -> list[str]:
    """The sentences of plain prose, trimmed."""
    found = (match.group().strip() for match in _SENTENCE.finditer(re.sub(r"[*_`]{1,3}", "", text)))
    return [sentence for sentence in found if re.search(r"\w", sentence)]


def units(found: list[str]) -> list[str]:
    """Sentences that can stand alone: one that begins with "It" or "They" stays with the sentence before it."""
    joined: list[str] = []
    for sentence in found:
        if joined and re.match(r"(It|They|This|That|These|Those|Both|Neither|There)\b", sentence):
            joined[-1] += " " + sentence
        else:
            joined.append(sentence)
    return joined


def resolved(found: list[str], people: tuple[str, ...], text: str) -> list[str]:
    """`found` with every "she" or "he" that its own sentence leaves unclear replaced by a name."""
    clear: list[str] = []
    about = {"she": "", "he": "", "they": ""}
    for sentence in found:
        named = named_in(sentence, people)
        unclear = _PRONOUN.search(sentence)
        if unclear and (name := about[unclear.group().lower()]) and _position(sentence[: unclear.start()], name) < 0:
            known = {pronoun_of(other, text) for other in named_in(sentence[: unclear.start()], people)}
            if unclear.group().lower() not in known:
                sentence = sentence[: unclear.start()] + name.split()[0] + sentence[unclear.end() :]
        for name in reversed(named):
            about[pronoun_of(name, text)] = name
        clear.append(sentence)
    return clear


@lru_cache(maxsize=64)
def read_brief(text: str) -> Brief:
    """Understand a brief as far as it goes; an empty one gives empty values."""
    title, listed, blocks = _blocks(text)
    plot_text = " ".join(sentence for _, found in blocks for sentence in found)
    about = {match["name"].strip(): match["about"].strip() for match in _BOLD_NAME.finditer(text)}
    places = [name for name in about if listed.get(name) == "places" or (name not in listed and _PLACE.fullmatch(name))]
    people = [name for name in about if name not in places]
    for name in _names(plot_text or text):
        if not _same(name, people) and not _same(name, places) and name not in title:
            (places if _is_place(name, plot_text or text) else people).append(name)
    for match in () if places and about else _PLACE.finditer(plot_text or text):
        place = re.sub(r"^(an?|the) ", "The ", match.group())
        if not _same(place, places) and not any(word in place for word in people):
            places.append(place[:1].upper() + place[1:])
    chapters = [(name, tuple(units(resolved(list(found), tuple(people), text)))) for name, found in blocks]
    return Brief(title, tuple(people), tuple(places), tuple(chapters), about)


def named_in(text: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `names` that `text` mentions, by full name or a distinctive part of it, in order of appearance."""
    found = [(position, name) for name in names if (position := _position(text, name)) >= 0]
    return tuple(name for _, name in sorted(found, key=lambda item: item[0]))


def things_in(text: str, whole: str = "") -> tuple[str, ...]:
    """Things `text` is about, each as "the …"; first those that `whole`, the story around it, names most often."""
    found: Counter[str] = Counter()
    for match in _THING.finditer(text):
        words = match.group(1).split()
        if (
            words[-1] not in _listed("no_things")
            and words[0] not in _listed("no_things")
            and not words[-1].endswith(("ly", "ing", "ed", "er", "est"))
        ):
            found["the " + " ".join(words)] += 1
    around = Counter(re.findall(r"[\w-]+", whole.lower()))
    ranked = sorted(found, key=lambda thing: -found[thing] - around[thing.split()[-1]])
    objects = [thing for thing in ranked if not _PLACE_WORD.search(thing)]
    return tuple(objects[:4])


def lines_labelled(text: str, label: str) -> list[str]:
    """The comma-separated values of all lines `label: …`, without repetition, in order."""
    values = [match["value"] for match in _LABELLED.finditer(text) if match["label"].strip().lower() == label]
    return list(dict.fromkeys(item.strip() for value in values for item in value.split(",") if item.strip()))


def pronoun_of(name: str, text: str) -> str:
    """ "she", "he" or "they": what `text` uses for the person, as far as it can be seen."""
    first = name.split()[0] if name else name
    if match := re.search(rf"{re.escape(first)}[^#]*?\bpronouns: *(she|he|they)", text, re.IGNORECASE):
        return match.group(1).lower()
    near = " ".join(text[m.start() : m.start() + 220] for m in list(re.finditer(rf"\b{re.escape(first)}\b", text))[:6])
    her, his = len(_SHE.findall(near)), len(_HE.findall(near))
    return "they" if her == his else ("she" if her > his else "he")


def _blocks(text: str) -> tuple[str, dict[str, str], list[tuple[str, tuple[str, ...]]]]:
    """The title, which list every bold name stands in, and the plot by the headings it stands under."""
    title, heading, level = "", "", 0
    listed: dict[str, str] = {}
    blocks: list[tuple[str, list[str]]] = [("", [])]
    for paragraph in re.split(r"\n(?=#)|\n\s*\n|(?<=\S)\n(?=\s*(?:[-*+]|\d+[.)])\s)|(?<=^#)\n", text):
        head, _, body = paragraph.strip().partition("\n") if paragraph.strip().startswith("#") else ("", "", paragraph)
        if match := _HEADING.match(head):
            level = len(head) - len(head.lstrip("#"))
            heading = re.sub(
                r"^(chapter\s+\w+|\d+)\s*[:.–—-]*\s*", "", match["title"].strip("*_ "), flags=re.IGNORECASE
            )
            if level == 1 and not title:
                title, heading = heading, ""
        if match := _BOLD_NAME.match(body.strip()):
            listed[match["name"].strip()] = (
                "places" if re.search(r"place|setting|location|world|where", heading, re.IGNORECASE) else "people"
            )
            continue
        body = re.sub(r"^\s*(?:[-*+]|\d+[.)])\s+", "", body)
        if re.match(r"\s*(genre|length|tone|audience|title|words?|style|theme)s?\s*:", body, re.IGNORECASE):
            continue
        plot = tuple(
            s for s in sentences(" ".join(body.split())) if not _ABOUT_THE_BOOK.search(s) and len(s.split()) > 3
        )
        if plot and heading and blocks[-1][0] != heading and level >= 2:
            blocks.append((heading, []))
        blocks[-1][1].extend(plot)
    return title, listed, [(name, tuple(found)) for name, found in blocks if found] or [("", ())]


def _names(text: str) -> list[str]:
    """Capitalised names, the most frequent first; single words count only where they also stand inside a sentence."""
    found: Counter[str] = Counter()
    inside: set[str] = set()
    for match in _NAME.finditer(text):
        words = match.group().split()
        while words and words[0] in _listed("no_names"):
            words.pop(0)
        name = re.sub(r"['’]s$", "", " ".join(words))
        if name and name not in _listed("no_names") and len(name) > 1:
            found[name] += 1
            if not re.search(r"(?:^|[.!?:\n“\"]\s*)$", text[: match.start()][-3:]) or len(words) > 1:
                inside.add(name)
    longest = sorted(
        (name for name in found if name in inside or found[name] > 1),
        key=lambda name: (-len(name.split()), -found[name]),
    )
    kept: list[str] = []
    for name in longest:
        if not _same(name, kept):
            kept.append(name)
    return sorted(kept, key=lambda name: -found[name] - sum(found[part] for part in name.split() if part != name))


def _is_place(name: str, text: str) -> bool:
    if re.search(rf"(?i:{_PLACE_NOUNS})$", name):
        return True
    uses = len(re.findall(rf"\b{re.escape(name)}\b", text))
    places = len(
        re.findall(
            rf"\b(?:in|at|to|into|near|through|across|outside|leaves|reaches|of)\s+(?:the\s+)?{re.escape(name)}\b", text
        )
    )
    return bool(uses) and places * 2 > uses


@lru_cache(maxsize=8)
def _listed(name: str) -> frozenset[str]:
    return frozenset(table("words")[name])


def _same(name: str, names: list[str]) -> bool:
    """Whether `name` is one of `names`, or a part of one."""
    bare = re.sub(r"^(the|an?) ", "", name, flags=re.IGNORECASE).lower()
    return any(bare == other.lower() or f" {bare} " in f" {other.lower()} " for other in names)


def _position(text: str, name: str) -> int:
    bare = re.sub(r"^(the|an?) ", "", name, flags=re.IGNORECASE)
    for form in (bare, *([bare.split()[0]] if " " in bare and not name.lower().startswith("the ") else ())):
        if match := re.search(rf"\b{re.escape(form)}\b", text, re.IGNORECASE if form == bare else 0):
            return match.start()
    return -1
