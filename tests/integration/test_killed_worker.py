"""What `deploy.md` promises for the worst day: nothing has to be done after a worker was killed."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bookbot_worker import BookJob
from bookbot_worker.outcomes import Completed
from bookbot_worker.queue.settle import settle_together
from shared.models import Book
from shared.settings import Settings
from tests.support.claims import add_book, add_worker, claimed
from tests.support.running import enqueue, lines, processor_for, row

pytestmark = pytest.mark.integration

SHORT = {"heartbeat_seconds": 0.2, "lease_seconds": 1.0, "rescue_seconds": 0.2}


class NameTheBook(BookJob):
    def execute(self) -> bool:
        self.book.title = "named once"
        return True


def test_the_jobs_of_a_killed_worker_run_again_and_the_dead_settles_nothing(settings: Settings, engine: Engine) -> None:
    book_id = add_book(engine, "unnamed")
    job_id = enqueue(engine, NameTheBook, book_id=book_id)
    (dead,) = claimed(engine, add_worker(engine, lease=-1), NameTheBook)
    processor_for(settings.model_copy(update=SHORT), NameTheBook).run(until_empty=True)
    assert settle_together(engine, [dead.settlement(Completed())]) == set()
    job = row(engine, job_id)
    assert (job.state, job.error_message, job.attempt, job.losses) == ("completed", None, 2, 1)
    assert len(lines(engine, job_id)) == 1
    with Session(engine) as session:
        book = session.get_one(Book, book_id)
        assert (book.title, book.locked_by_job_id) == ("named once", None)
