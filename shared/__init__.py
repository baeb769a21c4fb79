"""What the web and the worker have in common: models, settings, the enqueue API and read views.

An application that only enqueues jobs needs nothing else::

    from shared import create_job

    job = create_job(book_id=book_id, job_type="create_foundation", props={"brief": "…"})
    print(job.job_id)

This package imports neither `bookbot_worker` nor `bookbot_web`; it holds no job code.
"""

from shared.control import cancel_job, retry_job
from shared.enqueue import NewJob, create_job, create_jobs
from shared.errors import BookbotError, ConfigurationError, Conflict, InvalidInput, NotFound, UnknownJobType
from shared.job_types import AnyProps, JobType, Props, RetryPolicy, catalogue
from shared.settings import Settings, load_settings
from shared.states import JobState, LockScope
from shared.version import __version__

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
