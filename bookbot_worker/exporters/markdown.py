"""A manuscript as one Markdown file that can be read back: the same chapters, scenes and words.

Owns the frame: title, parts, chapters, colophon. What stands under a heading is `markdown_body.py`.
"""

from bookbot_worker.exporters import Progress, chapter_progress
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.markdown_body import Bodies
from bookbot_worker.exporters.markdown_text import escaped
from bookbot_worker.exporters.options import ExportOptions


def export_markdown(manuscript: Manuscript, options: ExportOptions, progress: Progress) -> bytes:
    """UTF-8 bytes, ending with a line feed; `progress` is called after every chapter."""
    bodies = Bodies()
    pieces = [f"# {escaped(manuscript.title)}"]
    if manuscript.author:
        pieces.append(f"by {escaped(manuscript.author)}")
    if options.is_draft:
        pieces.append(f"*{escaped(manuscript.terms.draft)}*")
    for section in manuscript.front:
        pieces += [_heading(2, section.title), bodies.body(section.read(), below=2)]
    done, total = 0, len(manuscript.chapters)
    for part in manuscript.parts:
        pieces.append(_heading(2, part.title))
        level = 3 if part.title else 2
        for chapter in part.chapters:
            done += 1
            pieces += [_heading(level, chapter.title), bodies.body(chapter.read(), below=level)]
            progress(*chapter_progress(done, total))
    for section in manuscript.back:
        pieces += [_heading(2, section.title), bodies.body(section.read(), below=2)]
    pieces += [_heading(2, "Colophon"), escaped(manuscript.colophon)]
    return ("\n\n".join(filter(None, pieces)) + "\n").encode()


def _heading(level: int, title: str) -> str:
    return f"{'#' * level} {escaped(title)}" if title else ""
