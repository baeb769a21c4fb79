"""The offline author as copyeditor: slips of the pen, by a handful of rules that change nothing else."""

import re

_TYPOS = {
    "teh": "the",
    "adn": "and",
    "wich": "which",
    "thier": "their",
    "untill": "until",
    "recieve": "receive",
    "recieved": "received",
    "seperate": "separate",
    "occured": "occurred",
    "definately": "definitely",
    "wierd": "weird",
    "i": "I",
}
_TYPO = re.compile(rf"\b(?:{'|'.join(_TYPOS)})\b(?![.’'])")
# "that that" and "had had" may be meant.
_TWICE = re.compile(r"\b(?!(?:that|had)\b)([^\W\d_]{1,40}) \1\b")
_DOUBLE = re.compile(r'"')


def copyedit(text: str) -> str:
    """`text` without doubled words and blanks, with proper quotes, dashes and the commonest words spelled right."""
    return "\n".join(map(_line, text.replace("\r\n", "\n").split("\n")))


def _line(text: str) -> str:
    indent = text[: len(text) - len(text.lstrip())]
    line = re.sub(r"[ \t]+", " ", text.strip())
    line = _TWICE.sub(r"\1", line)
    line = re.sub(r" ([,.;:!?])(?!\.)", r"\1", line)
    line = line.replace("...", "…").replace("'", "’")
    line = re.sub(r"(?<=\w) ?--+ ?(?=\w)| - (?=\w)", " – ", line)
    line = _TYPO.sub(lambda match: _TYPOS[match.group()], line)
    quotes = len(_DOUBLE.findall(line))
    if quotes % 2 == 0:
        marks = iter("“”" * (quotes // 2))
        line = _DOUBLE.sub(lambda _match: next(marks), line)
    return indent + line
