"""The BookBot worker: a daemon that claims jobs, executes them, and settles each in one transaction.

The map of the house, top to bottom; an arrow never points up (setup.cfg, import contracts):

- `cli/` parses commands; `daemon.py` builds every part from the settings and starts them in order
- `processor.py` the loop: startup, cycle, shutdown; `_process_job` is the life of one job
- `execution.py` runs one attempt and returns an Outcome; it never touches the queue
- `jobs/` what is executed; `llm/`, `books/`, `exporters/` what jobs use
- `queue/` every statement a worker sends about jobs: claim, locks, settle, release, cancel
- `unit_of_work.py` the job's session and the golden rule; `outcomes.py`, `retry.py` the decisions
- `wakeup.py` the only place that sleeps, `change_hints.py` what wakes it; `signals.py`, `slots.py`, `telemetry/`

The names a job author needs are importable from here.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bookbot_worker.daemon import build_processor, get_job_processor, start_job_processor
    from bookbot_worker.jobs.base import BaseJob, BookJob, ChunkJob
    from bookbot_worker.outcomes import JobCancelled, Retry, Snooze
    from bookbot_worker.processor import JobProcessor
    from shared.enqueue import create_job

__all__ = [
    "BaseJob",
    "BookJob",
    "ChunkJob",
    "JobCancelled",
    "JobProcessor",
    "Retry",
    "Snooze",
    "build_processor",
    "create_job",
    "get_job_processor",
    "start_job_processor",
]

_HOME = {
    "BaseJob": "bookbot_worker.jobs.base",
    "BookJob": "bookbot_worker.jobs.base",
    "ChunkJob": "bookbot_worker.jobs.base",
    "JobCancelled": "bookbot_worker.outcomes",
    "JobProcessor": "bookbot_worker.processor",
    "Retry": "bookbot_worker.outcomes",
    "Snooze": "bookbot_worker.outcomes",
    "build_processor": "bookbot_worker.daemon",
    "create_job": "shared.enqueue",
    "get_job_processor": "bookbot_worker.daemon",
    "start_job_processor": "bookbot_worker.daemon",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that importing one room does not open the whole house."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
