"""The one choke point for text that comes from outside: users, jobs, exceptions, LLMs.

PostgreSQL cannot store NUL in text, psycopg cannot send a lone surrogate, JSONB refuses NaN. SQLite accepts
some of them. So input is *checked* here (refused, with the field named) and output is *cleaned* here
(replaced, never refused), the same for both databases: a failure must always be recordable.
"""

import json
import re
from typing import Any

from shared.errors import InvalidInput

MAX_PROPS_BYTES = 64 * 1024
MAX_DEPTH = 64

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_MANY_DIGITS = re.compile(r"\d{300}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# C0 but tab and newline, DEL, C1; the bidirectional controls of "Trojan Source" (CVE-2021-42574), the separators that
# some programs take for a new line, and the invisible byte order mark.
_DANGEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff]")
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def clean(text: str, limit: int) -> str:
    """`text` made storable: NUL and lone surrogates replaced, cut to `limit` characters with a mark."""
    if len(text) > limit:
        text = text[:limit] + f"… [{len(text) - limit} more characters]"
    return _UNSTORABLE.sub(REPLACEMENT, text)


def visible(text: str) -> str:
    """`text` for a terminal: what could drive it, or reorder its text, as JSON and people write it: ``\\u001b``."""
    return _DANGEROUS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def check_text(field: str, text: str, limit: int) -> str:
    """`text` unchanged. Raises InvalidInput where it is none, is longer than `limit` or cannot be stored."""
    if not isinstance(text, str):
        raise InvalidInput(field, "must be text")
    if len(text) > limit:
        raise InvalidInput(field, f"{len(text)} characters, the limit is {limit}")
    if _UNSTORABLE.search(text):
        raise InvalidInput(field, "holds a NUL or half a surrogate pair, which no database can store")
    return text


def check_json(field: str, value: dict[str, Any]) -> dict[str, Any]:
    """`value` unchanged, if it is a JSON object both databases can hold.

    Raises InvalidInput naming the path of what is wrong: NaN and infinities, NUL, lone surrogates, nesting
    deeper than 64, numbers JSON cannot carry, more than 64 KiB once encoded.
    """
    try:
        encoded = _ENCODER.encode(value)
        size = len(encoded.encode())
    except (ValueError, TypeError, RecursionError, UnicodeEncodeError):
        _find_fault(field, value, 0)
        raise InvalidInput(field, "is not a JSON object") from None
    if size > MAX_PROPS_BYTES:
        raise InvalidInput(field, f"{size} bytes as JSON, the limit is {MAX_PROPS_BYTES}")
    brackets = encoded.count("[") + encoded.count("{")
    if "\\u0000" in encoded or brackets > MAX_DEPTH or _MANY_DIGITS.search(encoded):
        _find_fault(field, value, 0)
    return value


def _find_fault(path: str, value: object, depth: int) -> None:
    """Walk to the first value that cannot be stored and raise InvalidInput with its path."""
    if depth > MAX_DEPTH:
        raise InvalidInput(path[:200], f"nested deeper than {MAX_DEPTH} levels")
    match value:
        case dict():
            for key, inner in value.items():
                if not isinstance(key, str):
                    raise InvalidInput(path, f"has a key that is no string: {str(key)[:40]!r}")
                _find_fault(path, key, depth)
                _find_fault(f"{path}.{key}", inner, depth + 1)
        case list() | tuple():
            for index, inner in enumerate(value):
                _find_fault(f"{path}.{index}", inner, depth + 1)
        case str():
            if _UNSTORABLE.search(value):
                raise InvalidInput(clean(path, 200), "holds a NUL or half a surrogate pair")
        case float():
            if value != value or value in (float("inf"), float("-inf")):
                raise InvalidInput(path, f"{value} is not a JSON number")
        case None | bool():
            return
        case int():
            if value.bit_length() > 1024:
                raise InvalidInput(path, "is too large a number")
        case _:
            raise InvalidInput(path, f"{type(value).__name__} is not JSON")
