"""Outside text made fit for a document: what every format may carry, and nothing no format can.

Owns which characters are dropped, and what counts as a language tag. It never escapes: that is each format's own work.
"""

import re

# Control characters, half surrogates and non-characters: XML 1.0 forbids most of them, readers choke on the rest.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)
_LINE_END = re.compile("\r\n?|[\x85\u2028\u2029]")

# RFC 5646, section 2.1, without extensions: language, script, region, one variant.
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2}|-[0-9]{3})?(-[a-z0-9]{5,8}|-[0-9][a-z0-9]{3})?")
_RIGHT_TO_LEFT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})


def printable(text: str) -> str:
    """`text` without the characters no document can carry; every line ends with a line feed."""
    return _UNPRINTABLE.sub("", _LINE_END.sub("\n", text))


def one_line(text: str) -> str:
    """`text` as a title is set: printable, on one line, single spaces; "" where nothing of it can be seen."""
    line = " ".join(printable(text).split())
    return line if any(character.isprintable() and not character.isspace() for character in line) else ""


def language_tag(raw: str) -> str:
    """The well-formed beginning of a BCP 47 tag ("pt-br" → "pt-BR"), "und" (undetermined) where there is none."""
    parts = raw.replace("_", "-").split("-")[:4]
    cased = [part.title() if len(part) == 4 and part.isalpha() else part.lower() for part in parts]
    cased[1:] = [part.upper() if len(part) == 2 else part for part in cased[1:]]
    while cased and not _LANGUAGE.fullmatch("-".join(cased)):
        cased.pop()
    return "-".join(cased) or "und"


def is_right_to_left(language: str) -> bool:
    """Whether text of this language tag runs from right to left; a named script wins over the language."""
    primary, *rest = language.split("-")
    script = next((part for part in rest if len(part) == 4 and part.isalpha()), None)
    return script in ("Arab", "Hebr") if script else primary in _RIGHT_TO_LEFT
