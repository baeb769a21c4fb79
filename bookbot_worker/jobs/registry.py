"""Which class runs which job type. Filled by `register`, checked against the catalogue at start, not at run time."""

import inspect
from collections.abc import Iterator

from bookbot_worker.jobs.base import BaseJob
from shared.errors import ConfigurationError
from shared.job_types import JobType, catalogue


class Registry:
    """Job classes by the name of their job type."""

    def __init__(self) -> None:
        self._classes: dict[str, tuple[JobType, type[BaseJob]]] = {}

    def add(self, name: str, job_class: type[BaseJob]) -> None:
        """Register `job_class` for jobs called `name`.

        Raises UnknownJobType where the catalogue has no such type, ConfigurationError where class and type do not
        fit: not a BaseJob, no `execute`, another lock than declared, another class registered before.
        """
        job_type = catalogue().get(name)
        if not (isinstance(job_class, type) and issubclass(job_class, BaseJob)):
            raise ConfigurationError(f"job type {name!r}: {job_class!r} does not inherit from BaseJob")
        if inspect.isabstract(job_class):
            raise ConfigurationError(f"job type {name!r}: {job_class.__name__} has no execute() method")
        if job_class.locks != job_type.locks:
            raise ConfigurationError(
                f"job type {name!r}: declared as locking {job_type.locks or 'nothing'}, "
                f"but {job_class.__name__} locks {job_class.locks or 'nothing'}"
            )
        known = self._classes.setdefault(name, (job_type, job_class))
        if known[1] is not job_class:
            raise ConfigurationError(f"job type {name!r} is registered twice, for {known[1].__name__} too")

    def find(self, name: str) -> tuple[JobType, type[BaseJob]]:
        """The type and class of `name`, which was registered (claims ask for no other)."""
        return self._classes[name]

    def timeouts(self) -> tuple[tuple[str, float], ...]:
        """How many seconds one run may take, by the name of the job type."""
        return tuple((name, self._classes[name][0].timeout.total_seconds()) for name in self)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._classes))
