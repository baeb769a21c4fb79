"""Plain text for the readers: a bounded prefix of what was sent, its sentences, its marked parts and labelled lines.

Everything here is linear in the text: no pattern scans on from where another began.
"""

import re
from functools import lru_cache

MOST_CHARACTERS = 32_768

_PART = re.compile(r"^===[ \t]?([A-Z][A-Z' ]{0,80})===[ \t]*$", re.MULTILINE)
_LABELLED = re.compile(r"^(?P<label>[A-Za-z ]{3,20}):[ \t]*(?P<value>.+)$", re.MULTILINE)
_END = re.compile(r"(?<![.!?…])[.!?…]++[”\"’')\]]{0,3}(?=\s|$)")
_ABBREVIATED = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Mx|Dr|St|Prof|Sgt|Lt|Capt|Col|Rev|Jr|vs|etc)|\b[A-Z])\.$")
_STANDS_WITH = re.compile(r"(It|They|This|That|These|Those|Both|Neither|There)\b")


@lru_cache(maxsize=64)
def bounded(text: str, most: int = MOST_CHARACTERS) -> str:
    """As much of `text` as an author with a limited memory reads, cut at a paragraph's or a sentence's end.

    Half characters become question marks, and white space is made plain:
    no tabs, no blanks in a row, one empty line between paragraphs.
    """
    head = text[: 2 * most].encode("utf-8", "replace").decode("utf-8")
    head = head.replace("\r\n", "\n").replace("\r", "\n")
    head = re.sub(r"[^\S\n]+", " ", head)
    head = re.sub(r" ?\n(?: ?\n)+", "\n\n", head).strip("\n")
    if len(head) <= most:
        return head
    head = head[:most]
    for end in ("\n\n", "\n", ". ", " "):
        if (position := head.rfind(end)) > most // 2:
            return head[: position + 1].rstrip()
    return head


def parts(prompt: str) -> dict[str, str]:
    """The marked parts by name; what stands before the first mark is called ""."""
    pieces = _PART.split(prompt)
    named = {name.strip(): text.strip() for name, text in zip(pieces[1::2], pieces[2::2], strict=True)}
    return {"": pieces[0].strip()} | named


def sentences(text: str) -> list[str]:
    """The sentences of plain prose, trimmed, without Markdown's emphasis."""
    plain = re.sub(r"[*_`]{1,3}", "", text)
    found: list[str] = []
    start = 0
    for match in _END.finditer(plain):
        if match.group() == "." and _ABBREVIATED.search(plain[max(start, match.end() - 8) : match.end()]):
            continue
        found.append(plain[start : match.end()].strip())
        start = match.end()
    found.append(plain[start:].strip())
    return [sentence for sentence in found if re.search(r"\w", sentence)]


def units(found: list[str]) -> list[str]:
    """Sentences that can stand alone: one that begins with "It" or "They" stays with the sentence before it."""
    joined: list[list[str]] = []
    for sentence in found:
        if joined and _STANDS_WITH.match(sentence):
            joined[-1].append(sentence)
        else:
            joined.append([sentence])
    return [" ".join(group) for group in joined]


def lines_labelled(text: str, label: str) -> list[str]:
    """The comma-separated values of all lines `label: …`, without repetition, in order."""
    values = [match["value"] for match in _LABELLED.finditer(text) if match["label"].strip().lower() == label]
    return list(dict.fromkeys(item.strip() for value in values for item in value.split(",") if item.strip()))
