"""Formats that do to their process what a format must not do; each is used by name, in a real child process."""

import json
import os
import signal
import threading
import warnings

from bookbot_worker.exporters import Exporter, ExportFailed, ExportWarning, Progress
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import ExportOptions


def bad_format(function: str) -> Exporter:
    """One of the functions below as a format."""
    return Exporter("html", "html", "text/html", __name__, function)


def hangs(_book: Manuscript, _options: ExportOptions, progress: Progress) -> bytes:
    """Tells its pid, and never ends."""
    progress(0.5, str(os.getpid()))
    threading.Event().wait()
    return b""


def grows(_book: Manuscript, _options: ExportOptions, _progress: Progress) -> bytes:
    """Takes all the memory it can have."""
    return bytes(1 << 40)


def dies(_book: Manuscript, _options: ExportOptions, _progress: Progress) -> bytes:
    """Is killed as the kernel would do it."""
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


def raises(_book: Manuscript, _options: ExportOptions, _progress: Progress) -> bytes:
    """Has a mistake in it."""
    raise ZeroDivisionError("a mistake")


def refuses(_book: Manuscript, _options: ExportOptions, _progress: Progress) -> bytes:
    """Cannot do it, and says so."""
    raise ExportFailed("no font has the letter 字")


def chatters(_book: Manuscript, _options: ExportOptions, _progress: Progress) -> bytes:
    """Prints where the answers go, warns of two things, and makes its file."""
    print("not an answer", flush=True)
    os.write(1, b'{"size": 0}\n')
    warnings.warn("the letter 字 is missing", ExportWarning, stacklevel=1)
    warnings.warn("nobody needs to know", DeprecationWarning, stacklevel=1)
    return b"the file"


def tells(_book: Manuscript, _options: ExportOptions, _progress: Progress) -> bytes:
    """What it can see of its parent's environment."""
    return json.dumps(dict(os.environ)).encode()
