"""Text that came as a value, made fit to stand in our Markdown: it opens no heading, gives no label, names no scene."""

import re

from bookbot_worker.books.headings import Kind, heading
from shared.text import clean

MOST_NAME, MOST_BLOCK = 200, 8_000

_MARKS = re.compile(r"\[\[|\]\]|[`*_]{2,}|[<>]")
_LABEL = re.compile(
    r"^(?P<label>\W*(?:characters?|cast|settings?|locations?|places?|also called|also known as|alias(?:es)?|nicknames?|"
    r"pronouns)(?:\s+present)?\W{0,5}?)(?::|$)",
    re.IGNORECASE,
)
_SEPARATORS = re.compile(r"[,;:/&|\\{}()\[\]]")
_PARAGRAPHS = re.compile(r"\n\s*\n")


def line(text: str) -> str:
    """`text` on one line that is no heading and no item of a list, and holds none of our marks."""
    plain = " ".join(_MARKS.sub(" ", _bounded(text)).split()).lstrip("#*_-+>=~•– ")
    return re.sub(r"^\d{1,3}[.)]\s+", "", plain)


def name(text: str) -> str:
    """`text` as a name: short, and without what separates names in a list."""
    return " ".join(_SEPARATORS.sub(" ", line(text)).split()).strip(" .")[:MOST_NAME].strip()


def block(text: str) -> str:
    """`text` as paragraphs. One that would open a chapter or a scene is left out; one with a label loses its colon."""
    paragraphs = map(line, _PARAGRAPHS.split(_bounded(text).replace("\r\n", "\n")))
    return "\n\n".join(_LABEL.sub(r"\g<label>,", told) for told in paragraphs if told and heading(told, 2) is None)


def book_title(text: str) -> str:
    """`text` as what follows "# ", in quotation marks where it would not be taken for a title."""
    title = line(text) or "Untitled"
    found = heading(f"# {title}", None)
    return title if found is not None and found.kind is Kind.TITLE else f"“{title}”"


def chapter_title(text: str) -> str:
    """`text` as what follows "Chapter 1: ", without a "Chapter n" or "Scene n" of its own."""
    found = heading(f"## {line(text)}", 2)
    title = found.title if found else ""
    again = heading(f"## Chapter 1: {title}", None)
    return title if again is not None and again.title == title else ""


def _bounded(text: str) -> str:
    """`text` cut to its limit, and storable: JSON can say what no database holds."""
    cut = text if len(text) <= MOST_BLOCK else text[:MOST_BLOCK].rstrip() + "…"
    return clean(cut, len(cut))
