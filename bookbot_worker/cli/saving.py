"""Writing finished files to the disk: under safe names, whole or not at all, never over another file unasked."""

import itertools
import shutil
import tempfile
from pathlib import Path

from shared.errors import Conflict, InvalidInput
from shared.file_names import file_name


def safe_name(name: str) -> str:
    """`name` as the name of a file in the current directory, whatever it holds."""
    stem, _, extension = name.rpartition(".")
    return file_name(stem, extension) if stem and extension.isalnum() else file_name(name, "bin")


def target_of(output: str | None, name: str) -> Path:
    """Where a file called `name` goes: the `output` asked for, or in that directory, or in the current one.

    Raises InvalidInput where the directory does not exist; none is made, since it may be a slip of the finger.
    """
    path = Path(output or "")
    if path.is_dir():
        return path / safe_name(name)
    is_meant_as_directory = (output or "").rpartition("/")[2] in ("", ".", "..")
    directory = path if is_meant_as_directory else path.parent
    if not directory.is_dir():
        raise InvalidInput("output", f"there is no directory {directory}")
    return path


def save(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write `content` to `path`. Raises Conflict where it exists and `replace` is off, OSError from the disk."""
    if replace and path.is_file():
        _replace(path.resolve(), content)
        return
    try:
        file = path.open("wb" if replace else "xb")
    except FileExistsError:
        raise Conflict(f"{path} exists; choose another --output, or replace it with --force") from None
    is_whole = False
    try:
        with file:
            file.write(content)
        is_whole = True
    finally:
        if not is_whole and not replace:
            path.unlink(missing_ok=True)


def _replace(path: Path, content: bytes) -> None:
    """Write beside `path`, then put it in its place: the old file is there until the new one is whole."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".bookbot-", delete=False) as draft:
        try:
            draft.write(content)
            draft.flush()
            shutil.copymode(path, draft.name)
            Path(draft.name).replace(path)
        except OSError:
            Path(draft.name).unlink(missing_ok=True)
            raise


def save_beside(directory: Path, name: str, content: bytes) -> Path:
    """Write `content` into `directory` under `name`, or "name (2)", … where that exists; returns the path."""
    plain = Path(safe_name(name))
    for number in itertools.count(1):
        path = directory / (plain.name if number == 1 else f"{plain.stem} ({number}){plain.suffix}")
        try:
            save(path, content)
        except Conflict:
            continue
        return path
    raise AssertionError("unreachable: the numbers do not end")
