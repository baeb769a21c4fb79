"""What counts as a word: the one rule for word counts, targets and progress."""

import re

_WORD = re.compile(r"[^\W_]+(?:['’‐-][^\W_]+)*")


def count(text: str) -> int:
    """How many words `text` has; hyphens and apostrophes join, Markdown marks do not count."""
    return sum(1 for _ in _WORD.finditer(text))
