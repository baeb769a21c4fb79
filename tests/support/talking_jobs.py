"""Jobs that say much, run by real workers: BOOKBOT_JOB_TYPES and BOOKBOT_JOBS name this module."""

from datetime import timedelta

from bookbot_worker import BaseJob
from bookbot_worker.processor import JobProcessor
from shared.job_types import AnyProps, JobType, catalogue


class Talk(BaseJob):
    """Logs `lines` numbered lines, `at_once` of them between two pauses of `pause` seconds."""

    def execute(self) -> bool:
        props = {"lines": 100, "at_once": 20, "pause": 0.05} | self.job.props
        for number in range(1, props["lines"] + 1):
            self.log(f"line {number}")
            if number % props["at_once"] == 0:
                self.wait(timedelta(seconds=props["pause"]))
        return True


def declare() -> None:
    """Put them into the catalogue of this process, which enqueues them."""
    if "talk" not in {job_type.name for job_type in catalogue()}:
        catalogue().add(JOB_TYPES[0])


JOB_TYPES = (JobType("talk", AnyProps),)


def register(processor: JobProcessor) -> None:
    """Called by the worker at start."""
    processor.register("talk", Talk)
