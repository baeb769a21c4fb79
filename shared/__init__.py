"""What the web and the worker have in common: models, settings, the enqueue API and read views.

An application that only enqueues jobs needs nothing else::

    from shared import create_job

    job = create_job(book_id=book_id, job_type="create_foundation", props={"brief": "…"})
    print(job.job_id)

This package imports neither `bookbot_worker` nor `bookbot_web`; it holds no job code.
"""

from typing import TYPE_CHECKING, Any

from shared.version import __version__

if TYPE_CHECKING:
    from shared.control import cancel_job, retry_job
    from shared.enqueue import NewJob, create_job, create_jobs
    from shared.errors import BookbotError, ConfigurationError, Conflict, InvalidInput, NotFound, UnknownJobType
    from shared.job_types import AnyProps, JobType, Props, RetryPolicy, catalogue
    from shared.settings import Settings, load_settings
    from shared.states import JobState, LockScope

__all__ = [
    "AnyProps",
    "BookbotError",
    "ConfigurationError",
    "Conflict",
    "InvalidInput",
    "JobState",
    "JobType",
    "LockScope",
    "NewJob",
    "NotFound",
    "Props",
    "RetryPolicy",
    "Settings",
    "UnknownJobType",
    "__version__",
    "cancel_job",
    "catalogue",
    "create_job",
    "create_jobs",
    "load_settings",
    "retry_job",
]

_HOME = {
    "AnyProps": "shared.job_types",
    "BookbotError": "shared.errors",
    "ConfigurationError": "shared.errors",
    "Conflict": "shared.errors",
    "InvalidInput": "shared.errors",
    "JobState": "shared.states",
    "JobType": "shared.job_types",
    "LockScope": "shared.states",
    "NewJob": "shared.enqueue",
    "NotFound": "shared.errors",
    "Props": "shared.job_types",
    "RetryPolicy": "shared.job_types",
    "Settings": "shared.settings",
    "UnknownJobType": "shared.errors",
    "cancel_job": "shared.control",
    "catalogue": "shared.job_types",
    "create_job": "shared.enqueue",
    "create_jobs": "shared.enqueue",
    "load_settings": "shared.settings",
    "retry_job": "shared.control",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: a process that needs only the errors does not open a database library."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
