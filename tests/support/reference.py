"""The generated pages: commands from click, tables from the models. `python -m tests.support.reference` writes them.

A column's meaning is written by hand in docs/tables.md and kept; all else is made anew. What is new has "" there, which
a test refuses.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import click
from sqlalchemy import Boolean, Column, DateTime, Float, Integer, LargeBinary, String, Table, Text, Uuid
from sqlalchemy.types import JSON

from bookbot_web.__main__ import main as web
from bookbot_worker.cli.main import main as worker
from shared.models import Base
from tests.support.docs import ROOT

COMMANDS, TABLES = ROOT / "docs" / "commands.md", ROOT / "docs" / "tables.md"

_COMMANDS_HEAD = """\
# Every command

Generated from the programs' own help by `python -m tests.support.reference`; a test compares. [cli.md](cli.md) explains
them. Every command also has `-h` and `--help`.
"""
_ROW = re.compile(r"^\| `(\w+)` \| [^|]* \| (.*) \|$", re.MULTILINE)
_TYPES: tuple[tuple[type, str], ...] = (
    (Uuid, "id"),
    (Boolean, "yes or no"),
    (DateTime, "time"),
    (Float, "number"),
    (Integer, "integer"),
    (Text, "text"),
    (String, "text"),
    (LargeBinary, "bytes"),
    (JSON, "JSON"),
)


def commands_page() -> str:
    """docs/commands.md as it should be."""
    parts = [_COMMANDS_HEAD]
    for name, program in (("bookbot-worker", worker), ("bookbot-web", web)):
        parts += _command(program, click.Context(program, info_name=name))
    return "\n".join(parts)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    pieces = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    yield f"{'#' * (2 + context.command_path.count(' '))} {context.command_path}\n"
    if pieces and not isinstance(command, click.Group):
        yield f"Takes {' '.join(f'`{piece}`' for piece in pieces)}.\n"
    yield _paragraphs(command.help or "")
    records = [param.get_help_record(context) for param in command.get_params(context)]
    told = {names: text for names, text in filter(None, records) if text and "--help" not in names}
    rows = [f"| `{_cell(names)}` | {_cell(text)} |" for names, text in told.items()]
    if rows:
        yield "\n".join(["| option | meaning |", "|---|---|", *rows]) + "\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _command(inner, click.Context(inner, info_name=name, parent=context))


def _paragraphs(told: str) -> str:
    r"""A command's help as Markdown; what follows \b keeps its lines."""
    found = []
    for paragraph in re.split(r"\n\s*\n", told.strip()):
        if paragraph.startswith("\b"):
            found.append("```text\n" + "\n".join(line.rstrip() for line in paragraph.splitlines()[1:]) + "\n```")
        else:
            found.append(re.sub(r"([*<\[])", r"\\\1", " ".join(paragraph.split())))
    return "\n\n".join(found) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def tables_page(written: str) -> str:
    """docs/tables.md as it should be, with the words of the page as it is."""
    head, *sections = re.split(r"^(?=## )", written, flags=re.MULTILINE)
    words = {section.partition("\n")[0].removeprefix("## "): section for section in sections}
    parts = [head.rstrip() + "\n"]
    for table in tables():
        section = words.get(table.name, f"## {table.name}\n\n\n|")
        told = section.partition("\n")[2].partition("\n|")[0].strip()
        meanings = dict(_ROW.findall(section))
        rows = [f"| `{column.name}` | {_type(column)} | {meanings.get(column.name, '')} |" for column in table.columns]
        parts.append(
            "\n".join([f"## {table.name}\n", f"{told}\n", "| column | type | meaning |", "|---|---|---|", *rows])
        )
        parts[-1] += "\n"
    return "\n".join(parts)


def _type(column: Column[object]) -> str:
    kind = column.type
    name = next(name for known, name in _TYPES if isinstance(getattr(kind, "impl", kind), known))
    length = getattr(kind, "length", None)
    words = [f"{name}, at most {length} characters" if length and name == "text" else name]
    if column.primary_key:
        words.append("key")
    words += [f"of {key.target_fullname.partition('.')[0]}" for key in column.foreign_keys]
    if column.nullable:
        words.append("or null")
    return ", ".join(words)


def tables() -> list[Table]:
    """All tables, as they are listed."""
    return list(Base.metadata.tables.values())


def write(path: Path, text: str) -> None:
    """Replace the page."""
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(COMMANDS, commands_page())
    write(TABLES, tables_page(TABLES.read_text(encoding="utf-8") if TABLES.exists() else "# Tables\n"))
