"""A job that asks its LLM, through the ledger, about one word after the other."""

import os

from bookbot_worker import BaseJob, JobProcessor
from tests.faults.good_jobs import begin, prop, write_effects
from tests.support.http_author import HttpAuthor, ask

LLM_VARIABLE = "BOOKBOT_TEST_LLM"
"""The address of `llm_server`, of a worker whose jobs ask there."""


class AsksInSteps(BaseJob):
    """`steps` questions, then its effects."""

    def execute(self) -> bool:
        begin(self)
        for number in range(1, prop(self, "steps", 4) + 1):
            ask(self, f"step{number}")
        return write_effects(self)


def choose_author(processor: JobProcessor) -> None:
    """Have the worker's jobs ask the server of the test, if there is one."""
    if url := os.environ.get(LLM_VARIABLE):
        processor._llm = HttpAuthor(url)
