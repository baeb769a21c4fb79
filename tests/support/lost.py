"""Jobs whose worker is silent, for the tests of guards."""

from sqlalchemy import Engine

from bookbot_worker import BaseJob, BookJob
from bookbot_worker.attempt import Attempt
from bookbot_worker.orphans import Holder, Sign
from bookbot_worker.queue.rescue import Dead
from tests.support.claims import add_worker, claimed
from tests.support.running import enqueue


class OnABook(BookJob):
    def execute(self) -> bool:
        return True


class Plain(BaseJob):
    def execute(self) -> bool:
        return True


def lost(engine: Engine, job_class: type[BaseJob] = Plain, **values: str) -> tuple[Attempt, list[Dead]]:
    """A job of a worker that is silent."""
    enqueue(engine, job_class, **values)
    worker_id = add_worker(engine, lease=-1)
    (attempt,) = claimed(engine, worker_id, job_class)
    return attempt, [Dead(Holder(worker_id), Sign.SILENT, "a worker: silent")]
