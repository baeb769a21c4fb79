"""Jobs that do their work and can be disturbed in it; and what every job of these tests does besides its deed."""

import http.client
import json
import threading
from collections.abc import Generator
from contextlib import closing
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select

from bookbot_worker import BaseJob, BookJob, ChunkJob, Snooze
from shared.ids import new_id
from shared.models import Book, Job
from tests.support.witness import Witness


def prop(job: BaseJob, name: str, default: Any) -> Any:
    """One of the job's props."""
    return job.job.props.get(name, default)


def witness_of(job: BaseJob) -> Witness:
    """Where the job leaves its traces."""
    return Witness(job.job.props["witness"])


def begin(job: BaseJob) -> None:
    """Say that the run starts."""
    witness_of(job).note("start", job.job.job_id, job.job.claim_id)
    job.log("begins")


def pause(job: BaseJob) -> None:
    """Wait for `seconds`, or until the witness has heard the word `until`; ends when the job is asked to stop."""
    if seconds := prop(job, "seconds", 0):
        job.wait(timedelta(seconds=seconds))
    if word := prop(job, "until", None):
        with job.parked():
            witness_of(job).note("waits", job.job.job_id)
            while not witness_of(job).count(word):
                threading.Event().wait(0.02)
                job.check_cancelled()


def write_effects(job: BaseJob) -> bool:
    """Write what a completed job has written, and say that the run ends."""
    claim = {"claim_id": str(job.job.claim_id)}
    count = prop(job, "m", 3)
    books = (Book(book_id=new_id(), title=f"effect {job.job.job_id} {n}", props=claim) for n in range(count))
    job.session.add_all(books)
    job.log(f"wrote {count}")
    witness_of(job).note("end", job.job.job_id, job.job.claim_id)
    return True


class Effect(BaseJob):
    """Reads a row, waits, writes."""

    def execute(self) -> bool:
        begin(self)
        self.session.scalar(select(Job.state).where(Job.job_id == self.job.job_id))
        pause(self)
        return write_effects(self)


class BookEffect(BookJob):
    """Counts itself in its book, read before the wait and written after it: a lost update would show."""

    def execute(self) -> bool:
        begin(self)
        count = self.book.props.get("count", 0)
        pause(self)
        self.book.props["count"] = count + 1
        return write_effects(self)


class ChunkEffect(ChunkJob):
    """The same in its chunk."""

    def execute(self) -> bool:
        begin(self)
        count = self.chunk.props.get("count", 0)
        pause(self)
        self.chunk.props["count"] = count + 1
        return write_effects(self)


def ask(job: BaseJob) -> Generator[bytes, None, None]:
    """The answer of the server at `llm`, piece by piece, as they come."""
    address = urlsplit(job.job.props["llm"]).netloc
    asked = json.dumps({"job_id": job.job.job_id, "attempt": job.job.attempt})
    with closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.request("POST", "/", asked)
        with connection.getresponse() as answer:
            yield from iter(lambda: answer.read1(4096), b"")


class AsksLlm(BaseJob):
    """Reads a row, asks while parked, writes. Does not look at its stop token meanwhile."""

    def execute(self) -> bool:
        begin(self)
        self.session.scalar(select(Job.state).where(Job.job_id == self.job.job_id))
        with self.parked():
            self.log(f"heard {len(b''.join(ask(self)))} bytes")
        return write_effects(self)


class StreamsLlm(BaseJob):
    """The same, but looks at its stop token between any two pieces of the answer."""

    def execute(self) -> bool:
        begin(self)
        with self.parked(), closing(ask(self)) as pieces:
            for _ in pieces:
                self.check_cancelled()
        return write_effects(self)


class Snoozes(BaseJob):
    """Puts itself off `times` times, which costs no attempt; the witness counts."""

    def execute(self) -> bool:
        begin(self)
        if witness_of(self).count("start", self.job.job_id) <= prop(self, "times", 1):
            raise Snooze(timedelta(seconds=prop(self, "after", 0)))
        return write_effects(self)
