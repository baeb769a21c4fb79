"""The composition root: the only file that knows every job type and wires the processor to the process.

To add a job type: declare it in the catalogue, write its class, register it in `build_processor` (or in a module
of your own named in BOOKBOT_JOBS, whose `register(processor)` is called here).
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NoReturn

from bookbot_worker.jobs.create_foundation import CreateFoundationJob
from bookbot_worker.jobs.demo import DemoJob
from bookbot_worker.jobs.export_book import ExportBookJob
from bookbot_worker.jobs.generate_book import GenerateBookJob
from bookbot_worker.jobs.generate_chunk import GenerateChunkJob
from bookbot_worker.jobs.prune import PruneJob
from bookbot_worker.last_resort import LastResort
from bookbot_worker.llm.choose import author_for
from bookbot_worker.processor import JobProcessor
from bookbot_worker.signals import listening
from shared.errors import BookbotError, ConfigurationError
from shared.job_types import import_setting
from shared.settings import Settings, load_settings

URGENT_END = 1.9
"""Seconds from the second request to stop to the end of the process, whatever happens."""

LATE_END = 15.0
"""Seconds a worker may take to give jobs back and let go, after the drain time and the grace."""


def build_processor(settings: Settings | None = None) -> JobProcessor:
    """A processor with every job type registered; nothing is opened yet."""
    settings = settings or load_settings()
    processor = JobProcessor(settings, llm=author_for(settings))
    processor.register("demo", DemoJob)
    processor.register("prune", PruneJob)
    processor.register("create_foundation", CreateFoundationJob)
    processor.register("generate_chunk", GenerateChunkJob)
    processor.register("generate_book", GenerateBookJob)
    processor.register("export_book", ExportBookJob)
    for module_name in settings.jobs:
        _register(processor, module_name)
    return processor


def _register(processor: JobProcessor, module_name: str) -> None:
    """Call `register` of a module of the user's. Raises ConfigurationError that names it, whatever goes wrong there."""
    register = import_setting("BOOKBOT_JOBS", module_name, "register")
    try:
        register(processor)
    except BookbotError as error:
        raise ConfigurationError(f"BOOKBOT_JOBS: {module_name}: {error}") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"BOOKBOT_JOBS: {module_name}.register(processor) failed: {reason}") from error


@lru_cache(maxsize=1)
def get_job_processor() -> JobProcessor:
    """The processor of this process, built on first call."""
    return build_processor()


def start_job_processor(app: Any = None) -> JobProcessor:
    """Run jobs in a thread of this process: for development servers. In production run `bookbot-worker run`.

    `app` may be a Flask application: its DATABASE_URL or SQLALCHEMY_DATABASE_URI is used where set. Stop it with
    `.stop()`; a process that just ends leaves its running jobs as a killed worker would.
    """
    config = getattr(app, "config", None) or {}
    url = config.get("DATABASE_URL") or config.get("SQLALCHEMY_DATABASE_URI")
    processor = build_processor(load_settings(database_url=url)) if url else get_job_processor()
    processor.start()
    return processor


def run_worker(settings: Settings, leave: Callable[[int], NoReturn], *, until_empty: bool = False) -> NoReturn:
    """Run a worker in the main thread until SIGTERM or SIGINT, then `leave` with the exit code of the process.

    Raises ConfigurationError or SchemaMismatch where it cannot start. Once it was asked to stop it leaves in bounded
    time, and while it still listens: a late signal must not become what the process has died of.
    """
    processor = build_processor(settings)
    last_resort = LastResort()

    def stop() -> None:
        processor.request_stop()
        patience = settings.drain_seconds + settings.stop_grace_seconds + LATE_END
        last_resort.arm(patience if processor.stop_requests == 1 else URGENT_END)

    try:
        with listening(stop, processor.toggle_pause):
            processor.run(until_empty=until_empty)
            leave(processor.exit_code)
    finally:
        last_resort.disarm()
