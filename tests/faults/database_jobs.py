"""Jobs that differ in what they keep in the database while a test does something to it."""

import sys
import threading

from sqlalchemy import text

from bookbot_worker import BaseJob
from tests.faults.good_jobs import begin, pause, prop, witness_of, write_effects


def hold(job: BaseJob, *words: object, lines: int = 1) -> None:
    """Wait until the witness has so many lines that begin with these words, and give nothing back meanwhile."""
    witness_of(job).note("waits", job.job.job_id)
    while witness_of(job).count(*words) < lines:
        threading.Event().wait(0.02)
        job.check_cancelled()


class Quiet(BaseJob):
    """Never speaks to the database, if it has `m: 0` effects: it is settled with the next group."""

    def execute(self) -> bool:
        begin(self)
        pause(self)
        return write_effects(self)


class WritesEarly(BaseJob):
    """Sends its effects, then keeps its transaction open until the witness has heard `until`."""

    def execute(self) -> bool:
        begin(self)
        write_effects(self)
        self.session.flush()
        if word := prop(self, "until", None):
            hold(self, word)
        return True


class SendsSql(BaseJob):
    """Sends the statements of `sql` in its first `times` attempts (all, where the props do not say).

    Between two of them it waits until `meet` jobs have come as far, after the last for the word `until`.
    """

    def execute(self) -> bool:
        begin(self)
        if self.job.attempt <= prop(self, "times", sys.maxsize):
            self.send()
        return write_effects(self)

    def send(self) -> None:
        for number, statement in enumerate(prop(self, "sql", [])):
            if number and (others := prop(self, "meet", 0)):
                self.meet(number, others)
            self.session.execute(text(statement))
        if word := prop(self, "until", None):
            hold(self, word)

    def meet(self, number: int, others: int) -> None:
        witness_of(self).add("meets", number, self.job.job_id)
        hold(self, "meets", number, lines=others)
