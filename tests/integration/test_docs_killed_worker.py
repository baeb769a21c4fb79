"""The statements for the worst day: what a killed worker leaves behind can be freed with those of the page."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from bookbot_worker import BookJob
from bookbot_worker.outcomes import Completed
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from bookbot_worker.queue.locks import Candidate
from bookbot_worker.queue.settle import settle_together
from bookbot_worker.queue.settlement import Settlement
from shared.ids import new_id
from shared.models import Book
from shared.settings import Settings
from tests.support.docs import ROOT, blocks
from tests.support.running import enqueue, name_of, processor_for, row

pytestmark = pytest.mark.integration


class NameTheBook(BookJob):
    def execute(self) -> bool:
        self.book.title = "named once"
        return True


def test_jobs_of_a_killed_worker_run_again_and_the_dead_settles_nothing(settings: Settings, engine: Engine) -> None:
    book_id = new_id()
    with Session(engine) as session, session.begin():
        session.add(Book(book_id=book_id, title="unnamed"))
    job_id = enqueue(engine, NameTheBook, book_id=book_id)
    (dead,) = claim(engine, Claimant(new_id(), (name_of(NameTheBook),)), 1)

    (freeing,) = (block for block in blocks(ROOT / "docs" / "deploy.md", "sql") if "UPDATE jobs" in block)
    with engine.begin() as connection:
        for statement in freeing.split(";\n"):
            if statement:
                connection.execute(text(statement))

    holder = Candidate(job_id, dead.lock_scope, book_id)
    assert settle_together(engine, [Settlement(holder, str(dead.claim_id), Completed())]) == set()
    processor_for(settings, NameTheBook).run(until_empty=True)
    job = row(engine, job_id)
    assert (job.state, job.error_message, job.attempt) == ("completed", None, 2)
    with Session(engine) as session:
        book = session.get_one(Book, book_id)
        assert (book.title, book.locked_by_job_id) == ("named once", None)
