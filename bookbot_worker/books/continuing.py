"""An answer that was cut off at the model's length limit: what of it to keep, how to ask for the rest, how to join.

Pure text. The part that ends in the middle of a sentence is dropped, so that the joint is always between two sentences.
"""

import re

from bookbot_worker.books.answers import bare

GO_ON = (
    "Your answer was cut off there. Continue with the very next sentence. Repeat nothing, add no heading and no "
    "remark, and answer with the rest only."
)

_SENTENCE_END = re.compile(r"[.!?…][\"”’'»)*_\]]{0,4}(?=\s|\Z)|\n\n")
_SENTENCE = re.compile(r"\S[^\n]*?[.!?…][\"”’'»)*_\]]{0,4}(?=\s|\Z)")


def whole_sentences(text: str) -> str:
    """`text` up to the end of its last whole sentence, with the white space after it; all of it where none ends."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    if not ends:
        return text
    end = ends[-1]
    return text[: end + len(text[end:]) - len(text[end:].lstrip())]


def joined(before: str, after: str) -> str:
    """`before`, which `whole_sentences` made, and its continuation; a sentence that is told again is told once."""
    rest = bare(after)
    last = list(_SENTENCE.finditer(before[-2_000:]))
    if last and len(last[-1].group()) > 20 and rest.startswith(last[-1].group()):
        rest = rest[len(last[-1].group()) :].lstrip()
    if not rest:
        return before.rstrip()
    gap = before[len(before.rstrip()) :]
    return f"{before.rstrip()}{gap or ' '}{rest}"
