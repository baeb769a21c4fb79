"""Where the web is for its readers: the checks of two settings. Pure."""

import re
from urllib.parse import urlsplit

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+", re.ASCII)


def check_origin(value: str) -> str:
    """`value` as browsers write an origin ("https://host:port"), or empty. Raises ValueError."""
    if not value:
        return ""
    parts = urlsplit(value)
    is_bare = parts.path in ("", "/") and not (parts.query or parts.fragment or "@" in parts.netloc)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_bare:
        raise ValueError("must be an origin such as https://books.example, without a path")
    return f"{parts.scheme}://{parts.netloc}".lower()


def check_prefix(value: str) -> str:
    """`value` without the slash at its end, or empty. Raises ValueError."""
    prefix = value.rstrip("/")
    if prefix and (not _PREFIX.fullmatch(prefix) or any(part in (".", "..") for part in prefix.split("/"))):
        raise ValueError("must be a path such as /bookbot")
    return prefix
