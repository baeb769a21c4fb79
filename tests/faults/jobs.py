"""Job types for the tests of faults, run by real workers: BOOKBOT_JOB_TYPES and BOOKBOT_JOBS name this module.

Every run tells its witness, a file, when it starts and ends: `start JOB CLAIM TIME`, `end JOB CLAIM TIME`. Whatever
else it does, a job that completes has written `m` effects (3 unless its props say otherwise): books whose title names
the job and whose props name the claim. `tests/support/invariants.py` looks at exactly these.

Props of all: `witness` (a path); `m`; `seconds` (to wait, or to do harm for); `until` (a word: wait until it stands in
the witness's file); `times` (attempts that do harm; those after it just write their effects).
"""

import os
from datetime import timedelta

from bookbot_worker import BaseJob, JobProcessor
from shared.job_types import AnyProps, JobType, RetryPolicy
from tests.faults import asking_jobs, closing_jobs, database_jobs, good_jobs, harmful_jobs

TIMEOUT_VARIABLE = "BOOKBOT_TEST_JOB_TIMEOUT"
"""Seconds one attempt may take; an hour where it is not set."""

CLASSES: dict[str, type[BaseJob]] = {
    "effect": good_jobs.Effect,
    "book_effect": good_jobs.BookEffect,
    "chunk_effect": good_jobs.ChunkEffect,
    "asks_in_steps": asking_jobs.AsksInSteps,
    "asks_llm": good_jobs.AsksLlm,
    "streams_llm": good_jobs.StreamsLlm,
    "streams_with_closing": closing_jobs.StreamsWithClosing,
    "hangs": harmful_jobs.Hangs,
    "exits": harmful_jobs.Exits,
    "aborts": harmful_jobs.Aborts,
    "segfaults": harmful_jobs.Segfaults,
    "kills_itself": harmful_jobs.KillsItself,
    "forks": harmful_jobs.Forks,
    "eats_memory": harmful_jobs.EatsMemory,
    "eats_descriptors": harmful_jobs.EatsDescriptors,
    "eats_threads": harmful_jobs.EatsThreads,
    "leaves_thread": harmful_jobs.LeavesThread,
    "spins": harmful_jobs.Spins,
    "hogs": harmful_jobs.Hogs,
    "recurses": harmful_jobs.Recurses,
    "retries": harmful_jobs.Retries,
    "snoozes": good_jobs.Snoozes,
    "quiet": database_jobs.Quiet,
    "writes_early": database_jobs.WritesEarly,
    "sends_sql": database_jobs.SendsSql,
}

JOB_TYPES = tuple(
    JobType(
        name,
        AnyProps,
        locks=job_class.locks,
        retry=RetryPolicy(max_attempts=100) if job_class is harmful_jobs.Retries else RetryPolicy(),
        timeout=timedelta(seconds=float(os.environ.get(TIMEOUT_VARIABLE, "3600"))),
    )
    for name, job_class in CLASSES.items()
)


def register(processor: JobProcessor) -> None:
    """Called by the worker at start."""
    asking_jobs.choose_author(processor)
    for name, job_class in CLASSES.items():
        processor.register(name, job_class)
