"""A manuscript as one Markdown file.

Owns the frame (title, chapters, breaks, colophon) and its escaping. The text of a scene is Markdown already and is
kept, but for two things: its headings move below the chapter's, and what it leaves open is closed, so that no scene
reaches into the next.
"""

import re
from itertools import pairwise

from markdown_it.token import Token

from bookbot_worker.exporters import Progress, chapter_progress
from bookbot_worker.exporters.commonmark import block_parser, is_too_deep
from bookbot_worker.exporters.manuscript import Chapter, Manuscript
from bookbot_worker.exporters.options import ExportOptions

MEDIA_TYPE = "text/markdown; charset=utf-8"
SCENE_BREAK = "* * *"

_CHAPTER_LEVEL = 2
_LOWEST_HEADING = 6
_MARKUP = re.compile(r"[\\`*_\[\]<>~|]|&(?=#?\w+;)|#(?=#*$)")
# CommonMark 0.31, section 4.6, kinds 1 to 5: HTML blocks that end at their own mark, not at a blank line.
_HTML_BLOCKS = tuple(
    (re.compile(opening, re.IGNORECASE), re.compile(end, re.IGNORECASE), mark)
    for opening, end, mark in (
        (r" {0,3}<!--", r"-->", "-->"),
        (r" {0,3}<\?", r"\?>", "?>"),
        (r" {0,3}<!\[CDATA\[", r"\]\]>", "]]>"),
        (r" {0,3}<![a-z]", r">", ">"),
        (r" {0,3}<(?:script|pre|style|textarea)(?:\s|>|$)", r"</(?:script|pre|style|textarea)>", "</pre>"),
    )
)
_BLOCK_START = re.compile(r"^([0-9]*)([-+=.)#])")
_BLOCKS = block_parser()


def export_markdown(book: Manuscript, options: ExportOptions, progress: Progress) -> bytes:
    """UTF-8 bytes, ending with a line feed; `progress` is called after every chapter."""
    parts = [f"# {escaped(book.title)}"]
    if book.author:
        parts.append(f"by {escaped(book.author)}")
    for done, chapter in enumerate(book.chapters, 1):
        parts.append(_chapter(chapter))
        progress(*chapter_progress(done, len(book.chapters)))
    parts += ["## Colophon", escaped(book.colophon)]
    return ("\n\n".join(parts) + "\n").encode()


def escaped(line: str) -> str:
    """A line of plain words as Markdown that shows exactly these words."""
    return _MARKUP.sub(r"\\\g<0>", line)


def enclosed(text: str) -> str:
    """A scene's Markdown with its headings below the chapter's, and with its last block closed.

    Text nested too deep for readers of Markdown to agree about becomes plain words.
    """
    lines = text.split("\n")
    tokens = _BLOCKS.parse(text)
    if is_too_deep(tokens):
        return "\n".join(_BLOCK_START.sub(r"\1\\\2", escaped(line.strip())) for line in lines)
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open" and opening.level == 0 and opening.map:
            first, end = opening.map
            marks = "#" * min(int(opening.tag[1]) + _CHAPTER_LEVEL, _LOWEST_HEADING)
            words = " ".join(content.content.split())
            # A last "#" of the words would be taken for the end of the heading.
            lines[first] = f"{marks} {words} {marks}" if words.endswith("#") else f"{marks} {words}".rstrip()
            lines[first + 1 : end] = [""] * (end - first - 1)
    mark = _missing_end(tokens[-1], lines) if tokens else ""
    return "\n".join([*lines, mark] if mark else lines)


def _chapter(chapter: Chapter) -> str:
    scenes = f"\n\n{SCENE_BREAK}\n\n".join(enclosed(scene.text) for scene in chapter.scenes)
    return f"## {escaped(chapter.title)}\n\n{scenes}"


def _missing_end(last: Token, lines: list[str]) -> str:
    """The line that ends the last block of a text, where it would otherwise swallow what follows; else ""."""
    if last.level or not last.map:
        return ""
    if last.type == "fence":
        first, final = last.map[0], last.map[1] - 1
        closed = re.fullmatch(rf" {{0,3}}{last.markup}{last.markup[0]}*[ \t]*", lines[final])
        return "" if closed and final > first else last.markup
    if last.type == "html_block":
        for opening, end, mark in _HTML_BLOCKS:
            if opening.match(last.content):
                return "" if end.search(last.content) else mark
    return ""
