"""A request as the ledger keeps it, and the hash by which the same one is known again."""

import hashlib
import json
from typing import Any

from bookbot_worker.llm.client import Prompt
from shared.text import clean

_LONGEST = 50_000_000
"""Characters; no prompt is cut, only made storable."""


def storable(text: str) -> str:
    """`text` as both databases can hold it: NUL and lone surrogates are replaced."""
    return clean(text, _LONGEST)


def request_of(prompt: Prompt) -> dict[str, Any]:
    """The exact messages, and what else was asked for."""
    request: dict[str, Any] = {
        "messages": [{"role": one.role, "content": storable(one.content)} for one in prompt.messages]
    }
    for name in ("model", "temperature", "max_words"):
        if (value := getattr(prompt, name)) is not None:
            request[name] = value
    if prompt.shape is not None:
        request["shape"] = {"name": prompt.shape.name, "json_schema": prompt.shape.json_schema}
    return request


def hash_of(request: dict[str, Any]) -> str:
    """The same for the same request, in every process and version; which model a None stands for is not in it."""
    text = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
