"""The stub's witness: one JSON line when a request comes, one when it is over, whatever the client believes.

Tests and bills are compared with it. A line is written in one call, so that several stubs may share a file.
"""

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bookbot_worker.llm.client import Prompt

DOLLARS_PER_INPUT_TOKEN = 1e-6
DOLLARS_PER_OUTPUT_TOKEN = 4e-6
"""What the stub charges: prices of a small model, so that sums are no round numbers."""


def cost_of(input_tokens: int, output_tokens: int) -> float:
    """In US dollars."""
    return input_tokens * DOLLARS_PER_INPUT_TOKEN + output_tokens * DOLLARS_PER_OUTPUT_TOKEN


def hash_of(prompt: Prompt) -> str:
    """The same for the same messages, whatever else is asked."""
    messages = [[message.role, message.content] for message in prompt.messages]
    return hashlib.sha256(json.dumps(messages).encode()).hexdigest()


class Record:
    """Appends to `path`; None keeps no record."""

    def __init__(self, path: Path | None = None) -> None:
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def note(self, event: str, number: int, **fields: Any) -> None:
        """One line, with the time it is written."""
        if self._file is None:
            return
        line = {"event": event, "at": datetime.now(UTC).isoformat(), "number": number, **fields}
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        """Nothing is noted any more."""
        if self._file is not None:
            os.close(self._file)
        self._file = None
