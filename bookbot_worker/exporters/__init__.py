"""From chunks to finished files: one manuscript, one pure function per format.

`assembly.build` makes the manuscript from plain values, `FORMATS` says how it becomes a file. Nothing here reads a
database or a clock. A new format is one function and one line below.
"""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from shared.errors import BookbotError

if TYPE_CHECKING:
    from bookbot_worker.exporters.manuscript import Manuscript
    from bookbot_worker.exporters.options import ExportOptions

Progress = Callable[[float, str], None]
"""Told how far a format is, from 0 to 1, and in words; it may raise to stop the rendering."""

Export = Callable[["Manuscript", "ExportOptions", Progress], bytes]


class ExportFailed(BookbotError):
    """Raised by a format that cannot make the file, in a sentence for the person who asked for it."""


class ExportWarning(UserWarning):
    """`warnings.warn(sentence, ExportWarning)` in a format becomes a line of the job's log; the file is made."""


@dataclass(frozen=True, slots=True)
class Exporter:
    """A format: its name in props, the extension of its files (without dot), its media type, and its function.

    The function, `module`.`function`, is imported when it is first needed. It gives the same bytes for the same
    manuscript and options; it calls progress after every chapter and lets what that raises pass through.
    """

    name: str
    extension: str
    media_type: str
    module: str
    function: str

    def load(self) -> Export:
        """The function."""
        return cast(Export, getattr(importlib.import_module(self.module), self.function))


_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_HERE = __name__

FORMATS: dict[str, Exporter] = {
    exporter.name: exporter
    for exporter in (
        Exporter("epub", "epub", "application/epub+zip", f"{_HERE}.epub", "export_epub"),
        Exporter("docx", "docx", _DOCX, f"{_HERE}.docx", "export_docx"),
        Exporter("pdf", "pdf", "application/pdf", f"{_HERE}.pdf", "export_pdf"),
        Exporter("html", "html", "text/html; charset=utf-8", f"{_HERE}.html", "export_html"),
        Exporter("markdown", "md", "text/markdown; charset=utf-8", f"{_HERE}.markdown", "export_markdown"),
    )
    if importlib.util.find_spec(exporter.module)
}


def chapter_progress(done: int, total: int) -> tuple[float, str]:
    """What a format tells after a chapter: `progress(*chapter_progress(done, total))`."""
    return done / total, f"chapter {done} of {total}"
