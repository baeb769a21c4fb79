"""From chunks to finished files: one manuscript, one pure function per format.

`manuscript.build` makes the manuscript from plain values, `FORMATS` says how it becomes a file. Nothing here reads a
database, a disk (but for the stylesheet beside this file) or a clock. A new format is one function and one line below.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bookbot_worker.exporters import epub, markdown
from bookbot_worker.exporters.manuscript import Manuscript, Progress


@dataclass(frozen=True, slots=True)
class Exporter:
    """A format: its name in props, the extension of its files (without dot), its media type, and its function.

    `render` gives the same bytes for the same manuscript; it calls progress(done, total) after every chapter and lets
    what that raises pass through.
    """

    name: str
    extension: str
    media_type: str
    render: Callable[[Manuscript, Progress], bytes]


FORMATS: dict[str, Exporter] = {
    exporter.name: exporter
    for exporter in (
        Exporter("epub", "epub", epub.MEDIA_TYPE, epub.render_epub),
        Exporter("markdown", "md", markdown.MEDIA_TYPE, markdown.render_markdown),
    )
}
