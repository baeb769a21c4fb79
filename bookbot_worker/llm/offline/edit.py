"""The offline author as editor: does what a review names, as far as it can, at the length asked for."""

import re
from collections import deque
from collections.abc import Callable

from bookbot_worker.llm.offline.copyedit import copyedit
from bookbot_worker.llm.offline.review import LEAVE_OUT, SPLIT, quoted
from bookbot_worker.llm.offline.text import sentences

_POINT = re.compile(r"^[ \t]{0,8}[-*+•]?[ \t]{0,8}“(?P<quote>[^”\n]{3,200})”(?P<advice>[^\n]{0,400})$", re.MULTILINE)
_FILLER = re.compile(r"(?<=[a-z,] )(?:suddenly|very|really|somehow|simply) ")
_TOLERANCE = 0.1


def edit(text: str, review: str, words: int, more: Callable[[int], str]) -> str:
    """`text` with what `review` names mended, and what is told twice told once; about `words` long.

    `more(n)` writes about n further words where the scene is too short.
    """
    points = [(match["quote"], match["advice"]) for match in _POINT.finditer(review)]
    leave_out = {quote for quote, advice in points if LEAVE_OUT in advice}
    split = {quote for quote, advice in points if SPLIT in advice}
    told: set[str] = set()
    paragraphs: list[str] = []
    for paragraph in copyedit(text).split("\n\n"):
        kept = [
            sentence
            for sentence in sentences(paragraph)
            if quoted(sentence) not in leave_out and not (sentence in told and len(sentence.split()) > 3)
        ]
        told.update(kept)
        if not kept:
            continue
        is_as_it_was = len(kept) == len(sentences(paragraph)) and quoted(kept[0]) not in split
        paragraphs += [paragraph.strip()] if is_as_it_was else _parts(kept, is_split=quoted(kept[0]) in split)
    paragraphs = [_FILLER.sub("", paragraph) for paragraph in paragraphs]
    return "\n\n".join(_fitted(paragraphs, words, more))


def _parts(kept: list[str], *, is_split: bool) -> list[str]:
    half = (len(kept) + 1) // 2 if is_split and len(kept) > 1 else len(kept)
    return [" ".join(part) for part in (kept[:half], kept[half:]) if part]


def _fitted(paragraphs: list[str], words: int, more: Callable[[int], str]) -> list[str]:
    """Paragraphs left out in the middle, or put before the last, until the length is about right."""
    has = sum(len(paragraph.split()) for paragraph in paragraphs)
    if not paragraphs or words * (1 - _TOLERANCE) <= has <= words * (1 + _TOLERANCE):
        return paragraphs
    if has < words:
        return [*paragraphs[:-1], more(words - has), paragraphs[-1]]
    head: list[str] = []
    tail: list[str] = []
    rest = deque(paragraphs)
    room = words
    while rest:
        chosen = rest.popleft() if len(head) <= len(tail) else rest.pop()
        room -= len(chosen.split())
        if room < -words * _TOLERANCE and head:
            break
        (head if len(head) <= len(tail) else tail).append(chosen)
    return [*head, *reversed(tail)]
