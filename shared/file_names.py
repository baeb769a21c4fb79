"""File names the program makes from titles: safe on every file system, in every archive and every header.

Owns that one rule; it never touches the disk, and no title is ever used as a path.
"""

import re
import unicodedata

MAX_CHARACTERS = 80
MAX_BYTES = 200  # of 255 that file systems allow: room for " (1)" and temporary suffixes
FALLBACK = "book"

_SEPARATORS = re.compile(r'[/\\:*?"<>|\s]+')
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file#naming-conventions
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\.|$)", re.IGNORECASE)


def file_name(title: str, extension: str) -> str:
    """A file name that shows `title` ("The Salt Ledger" → "The Salt Ledger.epub").

    At most 80 characters and 200 bytes of UTF-8, the extension (given without its dot) included.
    """
    composed = unicodedata.normalize("NFC", title)
    # Category C: controls, invisible format and bidi controls, surrogates, unassigned.
    seen = "".join(c for c in _SEPARATORS.sub(" ", composed) if unicodedata.category(c)[0] != "C")
    stem = _SEPARATORS.sub(" ", seen).lstrip(" .-~")
    if _RESERVED.match(stem):
        stem = f"{FALLBACK} {stem}"
    suffix = f".{extension}"
    stem = stem[: MAX_CHARACTERS - len(suffix)]
    stem = stem.encode()[: MAX_BYTES - len(suffix.encode())].decode(errors="ignore").rstrip(" .")
    return (stem or FALLBACK) + suffix
