"""Which errors pass by themselves, by table; and what a log says about them."""

import sqlite3

import psycopg
import psycopg.errors
import pytest
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.outages import is_conflict, is_outage, reason

pytestmark = pytest.mark.unit

PASS = [
    ("08006", "connection failure"),
    ("08P01", "protocol violation, as a pooler says it that waited too long for a server"),
    ("25P03", "idle in transaction for too long"),
    ("25P04", "transaction too long"),
    ("40001", "could not serialize"),
    ("40P01", "deadlock"),
    ("53000", "insufficient resources"),
    ("53100", "disk full"),
    ("53200", "out of memory"),
    ("53300", "too many connections"),
    ("55P03", "lock timeout"),
    ("57014", "statement timeout"),
    ("57P01", "administrator's command"),
    ("57P02", "crash"),
    ("57P03", "cannot connect now"),
    ("57P04", "database dropped"),
    ("57P05", "idle session"),
    ("58030", "I/O error"),
]
STAY = [
    ("0A000", "not supported"),
    ("22001", "string too long"),
    ("22P02", "not an integer"),
    ("23502", "null"),
    ("23505", "not unique"),
    ("23514", "check"),
    ("25006", "a transaction that somebody began as read-only"),
    ("25P02", "in a failed transaction"),
    ("42501", "not permitted"),
    ("42601", "syntax"),
    ("42P01", "no such table"),
    ("54000", "a row too large for its index"),
    ("54001", "statement too complex; psycopg calls it an OperationalError"),
    ("P0001", "raised by a trigger"),
    ("XX000", "internal error"),
]
CONFLICTS = {"40001", "40P01", "55P03"}


def wrapped(error: Exception, *, statement: str | None = "SELECT 1", invalidated: bool = False) -> SQLAlchemyError:
    """`error` as SQLAlchemy raises it; without a statement it came from connecting, a commit or a rollback."""
    base = psycopg.Error if isinstance(error, psycopg.Error) else sqlite3.Error
    found = DBAPIError.instance(statement, None, error, base, connection_invalidated=invalidated)
    assert isinstance(found, DBAPIError)
    return found


def postgres_error(sqlstate: str) -> psycopg.Error:
    return psycopg.errors.lookup(sqlstate)("said the server")


def sqlite_error(code: int, kind: type[sqlite3.Error] = sqlite3.OperationalError) -> sqlite3.Error:
    error = kind("said the library")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize("sqlstate", [sqlstate for sqlstate, _ in PASS])
def test_these_pass(sqlstate: str) -> None:
    assert is_outage(wrapped(postgres_error(sqlstate)))
    assert is_outage(postgres_error(sqlstate))


@pytest.mark.parametrize("sqlstate", [sqlstate for sqlstate, _ in STAY])
def test_these_stay(sqlstate: str) -> None:
    assert not is_outage(wrapped(postgres_error(sqlstate)))


@pytest.mark.parametrize("sqlstate", [sqlstate for sqlstate, _ in [*PASS, *STAY]])
def test_a_lost_connection_passes_whatever_the_server_said_last(sqlstate: str) -> None:
    assert is_outage(wrapped(postgres_error(sqlstate), invalidated=True))


@pytest.mark.parametrize("sqlstate", [sqlstate for sqlstate, _ in [*PASS, *STAY]])
def test_conflicts_are_those_with_another_transaction(sqlstate: str) -> None:
    assert is_conflict(wrapped(postgres_error(sqlstate))) == (sqlstate in CONFLICTS)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (wrapped(psycopg.OperationalError("connection refused"), statement=None), True),
        (wrapped(psycopg.errors.ConnectionTimeout("connection timeout expired"), statement=None), True),
        (wrapped(psycopg.OperationalError("server closed the connection unexpectedly"), invalidated=True), True),
        (wrapped(psycopg.InterfaceError("the connection is closed")), True),
        (psycopg.OperationalError("connection refused"), True),
        (wrapped(psycopg.OperationalError("number of parameters must be between 0 and 65535")), False),
        (wrapped(psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")), False),
        (wrapped(psycopg.ProgrammingError("cannot adapt type 'object'")), False),
        (PoolTimeout("QueuePool limit of size 5 overflow 10 reached"), True),
        (StatementError("a value of the wrong type", "INSERT", None, TypeError("not a date")), False),
        (ConnectionResetError("of another socket"), False),
        (TimeoutError("of something else"), False),
        (ValueError("of the job's"), False),
    ],
)
def test_without_a_sqlstate_it_is_the_connection_that_counts(error: Exception, passes: bool) -> None:
    assert is_outage(error) == passes
    assert not is_conflict(error)


@pytest.mark.parametrize(
    ("code", "passes"),
    [
        (sqlite3.SQLITE_BUSY, True),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, True),
        (sqlite3.SQLITE_LOCKED, True),
        (sqlite3.SQLITE_IOERR, True),
        (sqlite3.SQLITE_IOERR_WRITE, True),
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_CANTOPEN, True),
        (sqlite3.SQLITE_PROTOCOL, True),
        (sqlite3.SQLITE_READONLY, True),
        (sqlite3.SQLITE_READONLY_DBMOVED, True),
        (sqlite3.SQLITE_INTERRUPT, True),
        (sqlite3.SQLITE_NOMEM, True),
        (sqlite3.SQLITE_ERROR, False),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, False),
        (sqlite3.SQLITE_TOOBIG, False),
        (sqlite3.SQLITE_MISMATCH, False),
        (sqlite3.SQLITE_CORRUPT, False),
        (sqlite3.SQLITE_NOTADB, False),
    ],
)
def test_sqlite_is_told_apart_by_its_result_codes(code: int, passes: bool) -> None:
    assert is_outage(wrapped(sqlite_error(code))) == passes
    assert is_outage(sqlite_error(code)) == passes
    assert not is_conflict(sqlite_error(code))


def test_real_errors_of_sqlite_carry_these_codes() -> None:
    connection = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError, match="no such table") as missing:
        connection.execute("SELECT * FROM missing")
    connection.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError, match="readonly") as unwritable:
        connection.execute("CREATE TABLE something (id)")
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError) as closed:
        connection.execute("SELECT 1")
    assert [is_outage(seen.value) for seen in (missing, unwritable, closed)] == [False, True, False]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (wrapped(postgres_error("40P01")), "said the server"),
        (wrapped(postgres_error("25006")), "the server is read-only, a standby perhaps: said the server"),
        (wrapped(postgres_error("53100")), "the server's disk is full: said the server"),
        (wrapped(postgres_error("53300")), "the server is out of connections: said the server"),
        (wrapped(psycopg.OperationalError("\n  refused\n\tIs the server running?"), statement=None), "refused"),
        (wrapped(sqlite_error(sqlite3.SQLITE_BUSY)), "said the library"),
        (psycopg.OperationalError(), "OperationalError"),
        (psycopg.OperationalError("for postgresql://u:se@cret@host/db"), "for postgresql://u:***@host/db"),
        (psycopg.OperationalError("in host=h password=secret user=u"), "in host=h password=*** user=u"),
        (psycopg.OperationalError("in password = 'se cret' user=u"), "in password = *** user=u"),
        (
            psycopg.OperationalError('password authentication failed for user "u"'),
            'password authentication failed for user "u"',
        ),
        (PoolTimeout("QueuePool limit of size 5 overflow 10 reached"), "every connection of this process is in use"),
        (ValueError("of the job's"), "of the job's"),
    ],
)
def test_the_reason_is_one_line_without_secrets(error: Exception, said: str) -> None:
    assert reason(error) == said


def test_the_reason_is_short_and_never_the_statement() -> None:
    error = wrapped(psycopg.OperationalError("x" * 5000), statement="UPDATE secrets SET word = 'open'")
    assert reason(error) == "x" * 300
