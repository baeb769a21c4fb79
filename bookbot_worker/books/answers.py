"""What a model's answer is once its wrapping is off. Conservative: what might be part of the text stays.

Owns making an answer storable, and taking off what models put around prose although they were asked not to: thinking
aloud, a code fence around everything, a sentence that announces the text, an offer to go on. Pure text.
"""

import re

from shared.text import clean

MOST_CHARACTERS = 2_000_000

_THINKING = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"\A(?P<marks>`{3,}|~{3,})[^\n`]*\n(?P<inside>.*)\n(?P=marks)[ \t]*\Z", re.DOTALL)
_ANNOUNCED = re.compile(
    r"\A(?:sure|certainly|of course|absolutely|okay|ok|great|gladly|"
    r"here is|here’s|here's|here are|below is|the following is)"
    r"\b[^\n:]{0,200}\b(?:scene|version|text|draft|prose|chapter|rewrite|edit|copyedit|revision|review|outline|json)\b"
    r"[^\n:]{0,80}:[ \t]*(?:\*\*)?\n+",
    re.IGNORECASE,
)
_RULE = re.compile(r"\A(?:-{3,}|\*{3,}|_{3,})[ \t]*\n+|(?<!\n)\n+(?:-{3,}|\*{3,}|_{3,})[ \t]*\Z")
_OFFERED = re.compile(
    r"(?<!\n)\n+(?:let me know|would you like me|if you(?:’d|'d| would) like|i hope this|feel free to)\b[^\n]{0,300}\Z",
    re.IGNORECASE,
)
_HEADING = re.compile(r"\A(?:#{1,6}[ \t]+(?P<heading>[^\n]+?)[ \t#]*|\*\*(?P<bold>[^\n*]+)\*\*)[ \t]*\n+")


def bare(answer: str) -> str:
    """`answer` storable and trimmed, without thinking aloud, announcement, fence and offer."""
    text = _THINKING.sub("", clean(answer.replace("\r\n", "\n"), MOST_CHARACTERS), count=1).strip()
    announced = _ANNOUNCED.sub("", text, count=1)
    was_announced = announced != text
    unfenced = _without_fence(announced)
    if was_announced or unfenced != announced:
        # Only a text that was handed over like a letter may also end like one.
        unfenced = _RULE.sub("", _OFFERED.sub("", unfenced)).strip()
        unfenced = _without_fence(unfenced)
    return unfenced or text


def prose(answer: str, title: str = "") -> str:
    """The prose of a scene in `answer`: `bare`, without a heading that repeats the scene's title."""
    text = bare(answer)
    match = _HEADING.match(text)
    said = (match["heading"] or match["bold"] or "") if match else ""
    is_title = bool(title.strip()) and _plain(said) in {_plain(title), f"scene {_plain(title)}"}
    return text[match.end() :].strip() or text if match and is_title else text


def _without_fence(text: str) -> str:
    """What a fence around everything holds; a text with another fence of the kind inside stays as it is."""
    match = _FENCE.match(text)
    return match["inside"].strip() if match and match["marks"] not in match["inside"] else text


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
