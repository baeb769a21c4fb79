"""What stands under one heading of a Markdown file, proven to read back as it was meant.

Owns the proof: every body is read again, and a block that does not come back is written as its plain words. So no text
reaches beyond its place, whatever it holds. The spelling itself is `markdown_text.py`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from bookbot_worker.exporters.blocks import (
    Block,
    Break,
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
    Quote,
    Rule,
    Strike,
    Strong,
    Table,
    Text,
    lines,
    visible,
)
from bookbot_worker.exporters.markdown_text import MARKS, Spelling, escaped
from bookbot_worker.exporters.reading import is_safe_target, read

SCENE_BREAK = "* * *"

_LOWEST_HEADING = 6
_MARK = re.compile(r"(NoteMark\(number=)\d+")


class Bodies:
    """Writes the bodies of one file in reading order; notes are numbered through the file."""

    def __init__(self) -> None:
        self._notes = 0

    def body(self, content: Content, *, below: int) -> str:
        """The scenes with breaks between them, then their notes. A Heading of level 1 stands one below `below`."""
        settled = _settled(content, below)
        spellings = [Spelling(*marks, self._notes) for marks in MARKS]
        self._notes += len(settled.notes)
        for spelling in spellings:
            scenes = [spelling.blocks(scene) for scene in settled.scenes]
            text = _joined(scenes, [spelling.note(note) for note in settled.notes])
            if _shape(read([text])) == _shape(_as_one_scene(settled)):
                return text
        text = _block_by_block(settled, spellings)
        return text if visible(read([text])).split() == visible(settled).split() else _words_only(settled)


def _joined(scenes: Sequence[str], notes: Sequence[str]) -> str:
    return "\n\n".join(filter(None, [f"\n\n{SCENE_BREAK}\n\n".join(scenes), *notes]))


def _as_one_scene(content: Content) -> Content:
    """How a reader who knows nothing of scenes sees it: breaks are rules."""
    blocks: list[Block] = []
    for scene in content.scenes:
        blocks += [Rule(), *scene] if blocks else scene
    return Content((tuple(blocks),), content.notes)


def _shape(content: Content) -> str:
    """What two contents have in common that read the same; the numbers of notes, which follow their order, apart."""
    return _MARK.sub(r"\1", repr(content.scenes)) + repr([note.blocks for note in content.notes])


def _block_by_block(content: Content, spellings: Sequence[Spelling]) -> str:
    """Each block in the first spelling that is read as it is, else in plain words."""
    scenes, marked = [], set[int]()
    for scene in content.scenes:
        pieces = []
        for block, *spelled in zip(scene, *(spelling.pieces(scene) for spelling in spellings), strict=True):
            text = next((text for text in spelled if _is_read_as(text, block, spellings[0])), None)
            pieces.append(_paragraphs([block]) if text is None else text)
            marked |= set(_marks(block)) if text is not None else set()
        scenes.append("\n\n".join(filter(None, pieces)))
    notes = [_note(note, spellings) if note.number in marked else _paragraphs(note.blocks) for note in content.notes]
    return _joined(scenes, notes)


def _is_read_as(text: str, block: Block, spelling: Spelling) -> bool:
    notes = tuple(Note(number, (Paragraph((Text("x"),)),)) for number in sorted(set(_marks(block))))
    again = read(["\n\n".join([text, *map(spelling.note, notes)])])
    return _shape(replace(again, notes=())) == _shape(Content(((block,),), ()))


def _note(note: Note, spellings: Sequence[Spelling]) -> str:
    mark = NoteMark(note.number)
    for spelling in spellings:
        text = spelling.note(note)
        again = read([f"{spelling.blocks([Paragraph((mark,))])}\n\n{text}"])
        if [found.blocks for found in again.notes] == [note.blocks]:
            return text
    return spellings[0].note(replace(note, blocks=tuple(Paragraph((Text(words),)) for words in _lines(note.blocks))))


def _words_only(content: Content) -> str:
    scenes = [_paragraphs(scene) for scene in content.scenes]
    return _joined(scenes, [_paragraphs(note.blocks) for note in content.notes])


def _paragraphs(blocks: Sequence[Block]) -> str:
    """Plain words, each line a paragraph."""
    return "\n\n".join(map(escaped, _lines(blocks)))


def _lines(blocks: Sequence[Block]) -> list[str]:
    return [line.strip() for words in lines(blocks) for line in words.split("\n") if line.strip()]


def _marks(node: Any) -> Iterator[int]:
    """The numbers of the notes referred to in a block."""
    if isinstance(node, NoteMark):
        yield node.number
    elif isinstance(node, tuple):
        for child in node:
            yield from _marks(child)
    elif is_dataclass(node):
        for part in fields(node):
            yield from _marks(getattr(node, part.name))


def _settled(content: Content, below: int) -> Content:
    """The content as Markdown can say it: headings in their place, pictures that may not be loaded as words."""
    scenes = tuple(_blocks(scene, below) for scene in content.scenes)
    notes = tuple(Note(note.number, _blocks(note.blocks, below)) for note in content.notes)
    return Content(tuple(scene for scene in scenes if scene), notes)


def _blocks(blocks: Sequence[Block], below: int) -> tuple[Block, ...]:
    return tuple(_block(block, below) for block in blocks)


def _block(block: Block, below: int) -> Block:
    match block:
        case Heading(level, children):
            return Heading(min(level + below, _LOWEST_HEADING), _inlines(children, in_heading=True))
        case Paragraph(children):
            return Paragraph(_inlines(children))
        case Quote(blocks):
            return Quote(_blocks(blocks, below))
        case Listing(items=items):
            return replace(block, items=tuple(_blocks(item, below) for item in items))
        case Table(header=header, rows=rows):
            return replace(block, header=_cells(header), rows=tuple(map(_cells, rows)))
        case _:
            return block


def _cells(row: Sequence[tuple[Inline, ...]]) -> tuple[tuple[Inline, ...], ...]:
    return tuple(map(_inlines, row))


def _inlines(children: Sequence[Inline], *, in_heading: bool = False) -> tuple[Inline, ...]:
    settled: list[Inline] = []
    for child in children:
        new = _inline(child, in_heading=in_heading)
        match (settled[-1] if settled else None), new:
            case Text(before), Text(after):
                settled[-1] = Text(before + after)
            case Strike(before), Strike(after):  # four tildes in a row open and close nothing
                settled[-1] = Strike(_inlines(before + after))
            case _:
                settled.append(new)
    return tuple(child for child in settled if child != Text(""))


def _inline(child: Inline, *, in_heading: bool) -> Inline:
    match child:
        case Picture(target, words) if not is_safe_target(target):
            return Text(words)
        case Text(words) if in_heading:
            return Text(words.replace("\n", " "))
        case Break() if in_heading:
            return Text(" ")
        case Emphasis(inside) | Strong(inside) | Strike(inside) | Link(_, inside):
            return replace(child, children=_inlines(inside, in_heading=in_heading))
        case _:
            return child
