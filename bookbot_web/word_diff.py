"""What has changed between two versions of a text, word by word, in bounded time.

Paragraphs are compared first; where they differ, their words, in stretches that cost little. Owns no markup: the page
says it with <ins> and <del>.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from shared import words

LONGEST = 600_000
"""Characters of both texts together that are compared; beyond, the whole is one change."""

STRETCH = 6_000
"""Words that are compared at a time: a fifth of a second at the worst, where 20,000 can take four."""

MOST_PARAGRAPHS = 3_000
"""Of more than these on a side, words are compared at once."""

Kind = Literal["same", "out", "in"]
_PARAGRAPH = re.compile(r"[^\n]*\n\s*|[^\n]+")
_PIECE = re.compile(r"\w+(?:['’‐-]\w+)*[^\S\n]*|[^\w\s][^\S\n]*|\s+")
"""A word or a mark, with the spaces behind it; or lines."""


@dataclass(frozen=True, slots=True)
class Part:
    """A run of text that both versions have ("same"), or one of them: taken "out", put "in"."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Diff:
    """The parts in reading order; how many words were taken out and put in."""

    parts: list[Part]
    words_out: int
    words_in: int

    @property
    def is_empty(self) -> bool:
        """Whether both texts are the same."""
        return all(part.kind == "same" for part in self.parts)


def compare(old: str, new: str) -> Diff:
    """How `new` came of `old`."""
    parts = _joined(_parts(old, new))
    counts = {kind: sum(words.count(part.text) for part in parts if part.kind == kind) for kind in ("out", "in")}
    return Diff(parts, counts["out"], counts["in"])


def _parts(old: str, new: str) -> Iterator[Part]:
    if old == new:
        yield from [Part("same", old)] if old else []
        return
    if len(old) + len(new) > LONGEST:
        yield from _replaced(old, new)
        return
    mine, theirs = _PARAGRAPH.findall(old), _PARAGRAPH.findall(new)
    if max(len(mine), len(theirs)) > MOST_PARAGRAPHS:
        mine, theirs = [old], [new]
    for is_same, one, other in _blocks(mine, theirs):
        if is_same:
            yield Part("same", one)
            continue
        for left, right in _stretches(_PIECE.findall(one), _PIECE.findall(other)):
            for is_kept, before, after in _blocks(left, right):
                yield from [Part("same", before)] if is_kept else _replaced(before, after)


def _stretches(mine: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Both cut into the same number of stretches, none longer than STRETCH, each beside its counterpart."""
    count = max(1, -(-max(len(mine), len(theirs)) // STRETCH))
    for number in range(count):
        yield _share(mine, number, count), _share(theirs, number, count)


def _share(pieces: Sequence[str], number: int, count: int) -> Sequence[str]:
    return pieces[len(pieces) * number // count : len(pieces) * (number + 1) // count]


def _blocks(mine: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[bool, str, str]]:
    """(whether it is the same, the old text, the new text), in order."""
    for tag, a, b, c, d in SequenceMatcher(None, mine, theirs).get_opcodes():
        yield tag == "equal", "".join(mine[a:b]), "".join(theirs[c:d])


def _replaced(old: str, new: str) -> Iterator[Part]:
    if old:
        yield Part("out", old)
    if new:
        yield Part("in", new)


def _joined(parts: Iterator[Part]) -> list[Part]:
    """Neighbours of one kind as one; a lone space between two changes belongs to both, so that phrases stay whole."""
    result: list[Part] = []
    out = put = ""

    def close() -> None:
        nonlocal out, put
        result.extend(_replaced(out, put))
        out = put = ""

    for part in parts:
        if part.kind == "out":
            out += part.text
        elif part.kind == "in":
            put += part.text
        elif part.text.isspace() and "\n" not in part.text and (out or put):
            out, put = out + part.text, put + part.text
        else:
            close()
            if result and result[-1].kind == "same":
                result[-1] = Part("same", result[-1].text + part.text)
            else:
                result.append(part)
    close()
    return result
