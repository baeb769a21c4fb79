"""The job's Session: reads when asked, writes in one flush at settle, and never a commit of its own.

Owns the transaction of one attempt and the golden rule about it. It does not decide when to settle; that is
`queue/settle.py`, inside `permitted()`.

SQLite: a job reads in a deferred transaction, so that nobody waits for it. At its first write the transaction
is begun again as IMMEDIATE (nothing is lost, it only read), because an upgrade would be refused at once.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bookbot_worker.golden_rule import GUARDED, Rule, place, rule_in_force
from bookbot_worker.job_session import JobSession
from shared.database import SQLITE_BEGIN, is_postgresql

_PLACE = "bookbot_place"
"""Execution option: where the database is, found out once; a job may change the directory a path is relative to."""


def guarded(engine: Engine) -> Engine:
    """`engine` for jobs: the same pool; the sessions of attempts bring the golden rule."""
    return engine.execution_options(**{SQLITE_BEGIN: "DEFERRED", _PLACE: place(engine.url)})


def _to_nobody(_text: str) -> None:
    """Who would be warned has ended."""


class UnitOfWork:
    """One attempt's session, made on first use. Belongs to the thread that runs the job."""

    def __init__(self, engine: Engine, *, before_write: Callable[[], None], warn: Callable[[str], object]) -> None:
        self.rule = Rule(engine.get_execution_options().get(_PLACE) or place(engine.url), before_write)
        self._engine = engine
        self._warn = warn
        self._session: JobSession | None = None
        self.has_flushed = False
        self._may_have_sent_writes = False

    @property
    def session(self) -> Session:
        """The session job code works with."""
        if self._session is None:
            self._session = JobSession(self._engine.execution_options(**{GUARDED: self.rule}), self.rule)
        return self._session

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """The golden rule holds for everything this thread does in the block."""
        token = rule_in_force.set(self.rule)
        try:
            yield
        finally:
            rule_in_force.reset(token)

    def has_work(self) -> bool:
        """Whether there is an object to write, or a transaction that may have written.

        One that has only read has nothing to commit, so its job can be settled with others. What its statements were is
        not enough to know that: they may have gone past us, so PostgreSQL is asked. Where it does not answer, settling
        the job alone finds out why.
        """
        session = self._session
        if session is None or session.new or session.deleted or session.dirty:
            return session is not None
        if not session.in_transaction() or not (is_postgresql(self._engine) and self.rule.has_only_read()):
            return session.in_transaction()
        is_all_known = not self.rule.was_passed_by
        try:
            if self._has_sent_writes(session):
                return True
            if is_all_known:
                self._end_reading(session)
        except SQLAlchemyError:
            return True
        return False

    @contextmanager
    def parked(self) -> Iterator[None]:
        """Give the connection back while the block waits for something slow.

        The read transaction ends; pending and changed objects stay as they are, and the next query begins a new
        transaction. A job that has already sent writes keeps its connection, which is logged.
        """
        session = self._session
        if session is not None and session.in_transaction():
            is_all_known = self.rule.has_only_read() and not self.rule.was_passed_by
            if session.in_nested_transaction() or self._has_sent_writes(session):
                self._warn("kept its database connection while waiting: it had already sent writes")
            elif (transaction := session.get_transaction()) is not None:
                if is_all_known and is_postgresql(self._engine):
                    self._end_reading(session)
                with self.rule.permitted():
                    transaction.close()
        yield

    def holds_the_writer(self) -> bool:
        """Whether this job, on SQLite, has sent writes and so keeps everybody else from writing."""
        session = self._session
        has_begun = session is not None and session.in_transaction() and self.rule.wrote
        return has_begun and not is_postgresql(self._engine)

    def writable_connection(self) -> Connection:
        """The connection to settle on, in a transaction that may write."""
        self._may_have_sent_writes = self._may_have_sent_writes or not self.rule.has_only_read()
        connection = self.session.connection()
        self.rule.begin_writing(connection)
        return connection

    def flush(self) -> None:
        """Send what is pending, as part of settle. From here on the session cannot do it again."""
        self.has_flushed = bool(self.session.new or self.session.deleted or self.session.dirty)
        self.session.flush()

    def reopen(self) -> bool:
        """After a settle that the database broke off: whether the session still holds all the job wrote, to try again.

        It does as long as nothing had been sent, because then only reading was lost.
        """
        session = self._session
        if self.has_flushed or self._may_have_sent_writes or session is None:
            return False
        self.rule.wrote = False
        if (transaction := session.get_transaction()) is not None:
            with self.rule.permitted():
                transaction.close(invalidate=True)
        return True

    def fence(self) -> None:
        """From another thread: nothing this attempt does reaches the database any more."""
        self.rule.fence()

    def discard(self) -> None:
        """Drop everything the job wrote and give the connection back.

        A connection whose transaction was tampered with is thrown away instead: SQLAlchemy holds it for finished
        and would return it to the pool with the transaction open, for the next job to commit.
        """
        self.rule.expire()  # a thread of the job's that lives on would hold what it is given for ever
        self._warn = (
            _to_nobody  # else the attempt and its unit would hold each other, for the garbage collector to find
        )
        if self._session is None:
            return
        session, self._session = self._session, None
        self.rule.bury()
        with self.rule.permitted(), contextlib.suppress(Exception):
            if not self.rule.violation:
                session.close()
                return
        with self.rule.permitted(), contextlib.suppress(Exception):
            session.invalidate()

    def _has_sent_writes(self, session: Session) -> bool:
        if self.rule.wrote or not is_postgresql(self._engine):
            return self.rule.wrote
        # PostgreSQL gives a transaction its id at the first write or row lock, even inside a function.
        assigned = session.connection().exec_driver_sql("SELECT pg_current_xact_id_if_assigned()::text")
        return assigned.scalar() is not None

    def _end_reading(self, session: Session) -> None:
        """On PostgreSQL, end a transaction by COMMIT, of which is known that it only sent plain queries.

        At a ROLLBACK psycopg forgets all that it has prepared on the connection, for the next jobs too. Where the
        connection has been lost nothing else has.
        """
        with self.rule.permitted(), contextlib.suppress(psycopg.Error):
            session.connection().connection.commit()
