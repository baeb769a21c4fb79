"""Markdown to blocks: the text of scenes as a tree, whatever the text holds.

Owns the translation and its limits: raw HTML is words, links lead only to the web or a mailbox, a footnote nobody
refers to is a paragraph, what is nested too deep is shown word for word. Text in, values out.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from markdown_it.token import Token

from bookbot_worker.exporters.blocks import (
    Align,
    Block,
    Break,
    Code,
    Content,
    Emphasis,
    Heading,
    Inline,
    Link,
    Listing,
    Note,
    NoteMark,
    Paragraph,
    Picture,
    Preformatted,
    Quote,
    Rule,
    Strike,
    Strong,
    Table,
    Text,
    plain,
)
from bookbot_worker.exporters.commonmark import MAX_DEPTH, is_too_deep, parser
from bookbot_worker.exporters.words import printable

# Stricter than the URL standard: what EPUBCheck and every reader accept; anything else stays plain words.
_REST = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*"
_WEB = re.compile(
    r"https?://[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?)*"
    rf"(?::[0-9]{{1,4}})?(?:/{_REST})?(?:\?{_REST})?(?:\#{_REST})?",
    re.IGNORECASE,
)
_MAIL = re.compile(r"mailto:[A-Za-z0-9._%+\-]+@[A-Za-z0-9.\-]+", re.IGNORECASE)
_PARSER = parser()
_SPANS: dict[str, type[Emphasis | Strong | Strike]] = {"em_open": Emphasis, "strong_open": Strong, "s_open": Strike}


def read(texts: Sequence[str]) -> Content:
    """The blocks of some texts (printable Markdown) that stand together, their notes numbered through."""
    scenes: list[tuple[Block, ...]] = []
    notes: list[Note] = []
    for text in texts:
        reader = _Reader(first_number=len(notes) + 1)
        scenes.append(reader.read(text))
        notes += reader.notes
    return Content(tuple(scenes), tuple(notes))


def is_safe_target(target: str) -> bool:
    """Whether a link may lead there."""
    return bool(_WEB.fullmatch(target) or _MAIL.fullmatch(target))


@dataclass(slots=True)
class _Reader:
    """Reads one text. `numbers` are those of the notes that are referred to, by label."""

    first_number: int
    numbers: dict[str, int] = field(default_factory=dict)
    bodies: dict[str, tuple[Block, ...]] = field(default_factory=dict)
    has_marks: bool = True

    @property
    def notes(self) -> list[Note]:
        """The notes in the order of their first marks."""
        return [Note(number, self.bodies[label]) for label, number in self.numbers.items()]

    def read(self, text: str) -> tuple[Block, ...]:
        """The text's blocks, without its notes."""
        tokens = _PARSER.parse(text, {})
        if is_too_deep(tokens):
            return tuple(Paragraph((Text(part.strip()),)) for part in text.split("\n\n") if part.strip())
        body, definitions = _without_notes(tokens)
        self._count(body, definitions)
        blocks = list(self._blocks(body))
        self.has_marks = False
        for label, inside in definitions:
            if label in self.numbers and label not in self.bodies:
                self.bodies[label] = tuple(self._blocks(inside))
            else:
                blocks += self._blocks(inside)
        return tuple(blocks)

    def _count(self, body: Sequence[Token], definitions: Sequence[tuple[str, list[Token]]]) -> None:
        defined = {label for label, _ in definitions}
        for token in body:
            for child in token.children or ():
                if child.type == "footnote_ref" and child.meta["label"] in defined:
                    self.numbers.setdefault(child.meta["label"], self.first_number + len(self.numbers))

    def _blocks(self, tokens: Sequence[Token]) -> Iterator[Block]:
        at = 0
        while at < len(tokens):
            end = _end(tokens, at)
            yield from self._block(tokens[at], tokens[at + 1 : end], tokens[end])
            at = end + 1

    def _block(self, token: Token, inside: Sequence[Token], closing: Token) -> Iterator[Block]:
        match token.type:
            case "paragraph_open":
                yield Paragraph(self._inlines(inside[0]))
            case "heading_open":
                yield Heading(int(token.tag[1]), self._inlines(inside[0]))
            case "blockquote_open":
                if quoted := tuple(self._blocks(inside)):
                    yield Quote(quoted)
            case "bullet_list_open" | "ordered_list_open":
                start = int(token.attrs.get("start", 1)) if token.type == "ordered_list_open" else None
                is_tight = any(part.hidden and part.level == token.level + 2 for part in inside)
                items = tuple(tuple(self._blocks(item)) for item in _groups(inside))
                yield Listing(start, is_tight, items)
            case "table_open":
                yield self._table(inside)
            case "fence" | "code_block":
                yield Preformatted(printable(token.content).removesuffix("\n"))
            case "hr":
                yield Rule()
            case other:
                raise AssertionError(f"the parser made a {other}, which nobody asked it for ({closing.type})")

    def _table(self, tokens: Sequence[Token]) -> Table:
        rows: list[tuple[tuple[Inline, ...], ...]] = []
        align: list[Align] = []
        for token, following in zip(tokens, [*tokens[1:], None], strict=True):
            if token.type == "tr_open":
                rows.append(())
            elif token.type in ("th_open", "td_open") and following:
                rows[-1] += (self._inlines(following),)
            if token.type == "th_open":
                style = str(token.attrs.get("style", ""))
                align.append(cast(Align, style.removeprefix("text-align:")))
        return Table(tuple(align), rows[0], tuple(rows[1:]))

    def _inlines(self, token: Token) -> tuple[Inline, ...]:
        return _Line(self).read(token.children or ())


@dataclass(slots=True)
class _Line:
    """Reads the inlines of one block. `open` holds what is being read, the outermost first."""

    reader: _Reader
    open: list[tuple[Token | None, list[Inline]]] = field(default_factory=lambda: [(None, [])])

    def read(self, tokens: Sequence[Token]) -> tuple[Inline, ...]:
        """What one block holds; spans nested too deep, and refused links, leave their words."""
        for token in tokens:
            if token.nesting == 1:
                self.open.append((token, []))
            elif token.nesting == -1:
                opening, inside = self.open.pop()
                self._add(*self._span(cast(Token, opening), tuple(inside)))
            else:
                self._add(*self._leaf(token))
        return tuple(self.open[0][1])

    def _add(self, *inlines: Inline) -> None:
        """Neighbouring words become one Text."""
        into = self.open[-1][1]
        for inline in inlines:
            if isinstance(inline, Text) and into and isinstance(into[-1], Text):
                into[-1] = Text(into[-1].words + inline.words)
            elif inline != Text(""):
                into.append(inline)

    def _span(self, opening: Token, inside: tuple[Inline, ...]) -> tuple[Inline, ...]:
        if not inside or len(self.open) > MAX_DEPTH:
            return inside
        if opening.type == "link_open":
            target = str(opening.attrs.get("href", ""))
            is_inner = any(outer and outer.type == "link_open" for outer, _ in self.open)
            return (Link(target, inside),) if is_safe_target(target) and not is_inner else inside
        return (_SPANS[opening.type](inside),)

    def _leaf(self, token: Token) -> tuple[Inline, ...]:
        match token.type:
            case "softbreak":
                return (Text("\n"),)
            case "hardbreak":
                return (Break(),)
            case "code_inline":
                return (Code(printable(token.content)),)
            case "image":
                target = printable(str(token.attrs.get("src", "")))
                return (Picture(target, plain(_Line(self.reader).read(token.children or ()))),)
            case "footnote_ref":
                number = self.reader.numbers.get(token.meta["label"])
                return (NoteMark(number),) if number and self.reader.has_marks else (Text(f"[^{token.meta['label']}]"),)
            case _:
                return (Text(printable(token.content)),)


def _end(tokens: Sequence[Token], at: int) -> int:
    """The index of the token that closes the one at `at`; `at` itself where that opens nothing."""
    depth = 0
    for index in range(at, len(tokens)):
        depth += tokens[index].nesting
        if depth == 0:
            return index
    raise AssertionError("the parser closes what it opens")


def _groups(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """What stands inside each of some list items."""
    at = 0
    while at < len(tokens):
        end = _end(tokens, at)
        yield tokens[at + 1 : end]
        at = end + 1


def _without_notes(tokens: Sequence[Token]) -> tuple[list[Token], list[tuple[str, list[Token]]]]:
    """The tokens outside footnotes, and those inside, by label; a note within a note stands beside it."""
    body: list[Token] = []
    definitions: list[tuple[str, list[Token]]] = []
    opened: list[list[Token]] = [body]
    for token in tokens:
        if token.type == "footnote_reference_open":
            definitions.append((str(cast(dict[str, Any], token.meta)["label"]), []))
            opened.append(definitions[-1][1])
        elif token.type == "footnote_reference_close":
            opened.pop()
        else:
            opened[-1].append(token)
    return body, definitions
