"""The process a format runs in: `python -m bookbot_worker.exporters.child MEMORY_BYTES SECONDS`.

It reads one pickled order from its parent, answers in lines of JSON, and ends with the file's bytes. Whatever a format
does to its process, the worker lives: memory and time are bounded by the kernel, and the process ends with its parent.
"""

import json
import os
import pickle
import resource
import signal
import sys
import threading
import warnings
from typing import IO, Any

from bookbot_worker.exporters import ExportWarning
from shared.errors import BookbotError

FAILED = 3
"""The exit code after a failure that was told in words."""


def main() -> int:
    """Limits first, then the order, then the file."""
    memory, seconds = int(sys.argv[1]), float(sys.argv[2])
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the worker, which lets its jobs finish
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = _own_stdout()
    try:
        content = _work(answers)
    except MemoryError:
        _say(answers, {"failed": "memory"})
        return FAILED
    except BookbotError as error:
        _say(answers, {"failed": str(error)})
        return FAILED
    _say(answers, {"size": len(content)})
    answers.write(content)
    answers.flush()
    return 0


def _work(answers: IO[bytes]) -> bytes:
    exporter, manuscript, options = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the parent, over a pipe
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    render = exporter.load()

    def progress(fraction: float, message: str) -> None:
        _say(answers, {"progress": fraction, "message": message})

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", ExportWarning)
        content = bytes(render(manuscript, options, progress))
    for warning in caught:
        _say(answers, {"warning": str(warning.message)})
    return content


def _own_stdout() -> IO[bytes]:
    """The pipe to the parent; what a library prints goes to standard error instead."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _leave_with_parent() -> None:
    """The parent keeps its end open as long as it wants the file. Past the buffer, whose lock would bar the exit."""
    os.read(0, 1)
    os._exit(FAILED)


def _say(answers: IO[bytes], message: dict[str, Any]) -> None:
    answers.write(json.dumps(message).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    # Not sys.exit: what a library left running must not delay the end, or change the code.
    code = main()
    sys.stderr.flush()
    os._exit(code)
