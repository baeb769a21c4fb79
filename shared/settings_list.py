"""Every setting as people may see it: its value, where that comes from, what it means. Secrets are never in it.

What can hold a secret is known by its type; an address is told without the parts that can.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from shared.credentials import CREDENTIALS
from shared.settings import Settings

SECRET = "•••"  # noqa: S105 - what stands in its place
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Setting:
    """`variable` as in the environment. `source`: "default", "environment", ".env", "credential" or "program"."""

    variable: str
    value: str
    source: str
    meaning: str
    is_secret: bool


def list_settings(settings: Settings) -> list[Setting]:
    """All of them in the order of the documentation; an empty value is ""."""
    found = []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        is_secret = isinstance(value, SecretStr) or "SecretStr" in str(field.annotation)
        found.append(
            Setting(variable_of(name), _shown(name, value), _source(name, settings), field.description or "", is_secret)
        )
    return found


def variable_of(name: str) -> str:
    """The environment variable of a field."""
    return "DATABASE_URL" if name == "database_url" else f"BOOKBOT_{name.upper()}"


def database_address(url: str) -> str:
    """Which database it is, without user, password and options ("postgresql://host:5432/books")."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return SECRET
    host = f"{parsed.host or ''}{f':{parsed.port}' if parsed.port else ''}"
    return f"{parsed.get_backend_name()}://{host}/{parsed.database or ''}"


def _shown(name: str, value: Any) -> str:
    if name == "database_url":
        return database_address(value.get_secret_value())
    match value:
        case None:
            return ""
        case SecretStr():
            return SECRET if value.get_secret_value() else ""
        case bool():
            return "yes" if value else "no"
        case dict():
            return _cut("; ".join(f"{key}: {_plain(inner)}" for key, inner in value.items()))
        case tuple() | list():
            return _cut(", ".join(map(str, value)))
        case str() if "://" in value:
            parts = urlsplit(value)
            return _cut(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
        case float():
            return f"{value:g}"
        case _:
            return _cut(str(value))


def _plain(value: Any) -> str:
    pairs: Iterable[tuple[str, Any]] = value if isinstance(value, BaseModel) else ()
    return ", ".join(f"{name} {inner:g}" for name, inner in pairs) or str(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " …"


def _source(name: str, settings: Settings) -> str:
    """Where a value comes from, in the order in which sources win."""
    if name not in settings.model_fields_set:
        return "default"
    if variable_of(name).lower() in {given.lower() for given in os.environ}:
        return "environment"
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if folder and name in CREDENTIALS and (Path(folder) / CREDENTIALS[name]).exists():
        return "credential"
    return ".env" if Path(".env").exists() else "program"
