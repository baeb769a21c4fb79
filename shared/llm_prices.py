"""The user's own price table for models, as it is read from the settings."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_LARGEST_FILE = 1024 * 1024


class TokenPrice(BaseModel):
    """What a model costs, in USD per million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0, le=1_000_000, allow_inf_nan=False)
    output: float = Field(ge=0, le=1_000_000, allow_inf_nan=False)


def read_prices(value: Any) -> Any:
    """The table in `value`: JSON itself, or the name of a JSON file. Raises ValueError with the reason."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        if text and not text.startswith("{"):
            with Path(text).open(encoding="utf-8") as file:
                text = file.read(_LARGEST_FILE)
        table = json.loads(text) if text else {}
    except OSError as error:
        raise ValueError(f"is neither a JSON object nor a file that can be read: {error.strerror}") from None
    except ValueError:
        raise ValueError('must be a JSON object such as {"my-model": {"input": 0.5, "output": 1.5}}') from None
    if not isinstance(table, dict):
        raise ValueError("must be a JSON object, from models to prices")
    return table


def none_if_empty(value: Any) -> Any:
    """None for an empty text, as a variable that is set to nothing has it."""
    return None if isinstance(value, str) and not value.strip() else value
