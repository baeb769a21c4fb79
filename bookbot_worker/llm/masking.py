"""What a server said, made fit for a log: short, one line, and without what it echoes of the key."""

import re

from shared.text import clean, visible

LONGEST_DETAIL = 300
MASK = "***"

_LOOKS_LIKE_A_KEY = re.compile(r"(?i)\b(?:sk|pk|rk)-[A-Za-z0-9*._-]{6,}|\bbearer\s+\S{6,}")
_RUN = 6
"""So many characters of the key in a row are no chance."""


def masked(text: str, key: str) -> str:
    """`text` without the key, without words that hold a piece of it, and without what looks like any key."""
    if key:
        text = text.replace(key, MASK)
    text = _LOOKS_LIKE_A_KEY.sub(MASK, text)
    runs = {key[start : start + _RUN] for start in range(len(key) - _RUN + 1)}
    return "".join(MASK if _holds_any(word, runs) else word for word in re.split(r"(\s+)", text)) if runs else text


def detail_of(text: str, key: str) -> str:
    """`text` of a server's as one short line that shows nothing of the key."""
    line = " ".join(masked(text[: 8 * LONGEST_DETAIL], key).split())
    return visible(clean(line, LONGEST_DETAIL))


def _holds_any(word: str, runs: set[str]) -> bool:
    return any(word[start : start + _RUN] in runs for start in range(len(word) - _RUN + 1))
