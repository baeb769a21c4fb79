"""A file outside the database that tells what happened: one line an event, from many processes at once.

What the database under test says about itself proves nothing; this survives its crashes, its rollbacks and its lies.
"""

import os
import time
from pathlib import Path


class Witness:
    """Lines of words. Times are `time.monotonic()`, which all processes of a machine share."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def add(self, *words: object) -> None:
        """Append one line, in one write, so that lines of different processes never mix."""
        descriptor = os.open(self.path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            os.write(descriptor, f"{' '.join(map(str, words))}\n".encode())
        finally:
            os.close(descriptor)

    def note(self, event: str, *words: object) -> None:
        """Append an event with its time as the last word."""
        self.add(event, *words, time.monotonic())

    def read(self, *beginning: object) -> list[list[str]]:
        """The words of every line, or of those that begin with these words, in the order they were written."""
        if not self.path.exists():
            return []
        wanted = [str(word) for word in beginning]
        lines = [line.split() for line in self.path.read_text().splitlines()]
        return [line for line in lines if line[: len(wanted)] == wanted]

    def count(self, *beginning: object) -> int:
        """How many lines begin with these words."""
        return len(self.read(*beginning))
