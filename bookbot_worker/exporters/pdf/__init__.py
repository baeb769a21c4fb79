"""A manuscript as a PDF: a typeset book, by Typst and a template of our own.

Owns the order of the steps. `data.py` says what the template is told, `typesetting.py` runs Typst on it.
"""

import warnings

from bookbot_worker.exporters import ExportWarning, Progress
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import ExportOptions
from bookbot_worker.exporters.pdf.data import book_data
from bookbot_worker.exporters.pdf.typesetting import typeset

_SHARE_OF_READING = 0.3
"""How much of the work is done when every chapter has been read; the rest is Typst's, which tells nothing."""


def export_pdf(manuscript: Manuscript, options: ExportOptions, progress: Progress) -> bytes:
    """The PDF's bytes. Warns of letters that no font has; raises ExportFailed where there can be no PDF."""
    data = book_data(manuscript, options, lambda done, said: progress(done * _SHARE_OF_READING, said))
    content, missing = typeset(data, options.cover, manuscript.modified)
    if missing:
        warnings.warn(missing, ExportWarning, stacklevel=1)
    progress(1.0, "typeset")
    return content
