"""Job code that misbehaves in every way we could think of. Each time the job ends in a readable state, nothing it
wrote is there, its book is free again, and the next job, on the same database connection, is unharmed.
"""

import threading
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob, BookJob, Retry, Snooze
from bookbot_worker.telemetry.joblog import LINE_LIMIT, LINES_LIMIT
from shared.database import read_only
from shared.enqueue import NewJob
from shared.ids import new_id
from shared.job_types import JobType, Props, catalogue
from shared.models import Book, Chunk, Job, JobLog
from shared.settings import Settings
from tests.support.running import enqueue, eventually, lines, processor_for, row, running

pytestmark = pytest.mark.integration

MEGABYTE = 1024 * 1024
QUICK = {"drain_seconds": 0.1}
"""So that a test of a worker that broke does not wait for it."""

Deed = Callable[[BaseJob], object]

deed: Deed = bool  # replaced by every test
left_over: list[str] = []


class Hostile(BookJob):
    """Sends one write, keeps another pending, and then does its deed."""

    def execute(self) -> Any:
        self.session.add(Book(book_id=new_id(), title="must not be written: sent"))
        self.session.flush()
        self.session.add(Book(book_id=new_id(), title="must not be written: pending"))
        return deed(self)


class Quiet(BookJob):
    """Does its deed without having written anything: it is settled in a group with others."""

    def execute(self) -> Any:
        return deed(self)


class Good(BaseJob):
    """The next job on the same connection: it looks for traces of the one before."""

    def execute(self) -> bool:
        left_over.extend(self.session.scalars(select(Book.title).where(Book.title.like("must not%"))))
        self.session.add(Book(book_id=new_id(), title="by the good job"))
        return True


class Result(SimpleNamespace):
    """The hostile job's row, and the texts around it."""

    job: Job
    titles: list[str]


Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a hostile job for a book, then a good one on the same connection, and check what must always hold."""
    monkeypatch.setattr(f"{__name__}.left_over", [])

    def one_slot(what: Deed, kind: type[BookJob] = Hostile) -> Result:
        monkeypatch.setattr(f"{__name__}.deed", what)
        processor = processor_for(settings.model_copy(update=QUICK | {"concurrency": 1}), kind, Good)
        book_id = add_book(engine)
        hostile = enqueue(engine, kind, book_id=book_id, priority=1)
        good = enqueue(engine, Good)
        with running(processor):
            eventually(lambda: processor.failure or has_ended(engine, hostile, good), 8)
        check_what_always_holds(engine, hostile)
        assert left_over == [] or row(engine, hostile).state == "completed"
        assert (row(engine, good).state, row(engine, good).error_message) == ("completed", None)
        with Session(engine) as session:
            titles = sorted(session.scalars(select(Book.title).where(Book.book_id != book_id)))
        return Result(job=row(engine, hostile), titles=titles)

    return one_slot


def add_book(engine: Engine, title: str = "the locked book") -> str:
    with Session(engine) as session:
        book = Book(book_id=new_id(), title=title)
        session.add(book)
        session.commit()
        return book.book_id


def has_ended(engine: Engine, *job_ids: str) -> bool:
    ended = select(func.count()).where(Job.job_id.in_(job_ids), Job.completed_at.is_not(None))
    with read_only(engine).connect() as connection:
        return connection.scalar(ended) == len(job_ids)


def check_what_always_holds(engine: Engine, job_id: str) -> None:
    """The job has ended, its locks are free, and its log is whole."""
    job = row(engine, job_id)
    assert job.completed_at is not None
    assert job.worker_id is None
    with Session(engine) as session:
        stored = session.execute(select(JobLog.seq, JobLog.attempt).filter_by(job_id=job_id).order_by(JobLog.seq)).all()
        assert [seq for seq, _ in stored] == list(range(1, job.log_count + 1))
        assert session.scalars(select(Book.book_id).where(Book.locked_by_job_id.is_not(None))).all() == []
        assert session.scalars(select(Chunk.chunk_id).where(Chunk.locked_by_job_id.is_not(None))).all() == []
        assert session.scalars(select(Job.job_id).where(Job.state == "running")).all() == []


def ends_in_error(result: Result) -> str:
    """The job's error message, after checking that it is the only thing that is left of the job."""
    assert result.titles == ["by the good job"]
    assert result.job.state == "error"
    message = result.job.error_message
    assert message
    assert len(message) < 10_000
    assert "\x00" not in message
    return message


# What execute() returns


def a_generator(_job: BaseJob) -> object:
    return (number for number in range(3))


def a_coroutine(_job: BaseJob) -> object:
    async def later() -> bool:
        return True

    coroutine = later()
    coroutine.close()
    return coroutine


class Unreadable:
    """Every way to look at it fails."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __str__(self) -> str:
        raise RuntimeError("no str")

    def __bool__(self) -> bool:
        raise RuntimeError("neither true nor false")

    def __eq__(self, _other: object) -> bool:
        raise RuntimeError("equal to nothing")

    __hash__ = object.__hash__


@pytest.mark.parametrize(
    ("returned", "named"),
    [
        (lambda _job: None, "None"),
        (lambda _job: 1, "1"),
        (lambda _job: 0, "0"),
        (lambda _job: "yes", "'yes'"),
        (lambda _job: object(), "object"),
        (a_generator, "generator"),
        (a_coroutine, "coroutine"),
        (lambda _job: Unreadable(), "Unreadable"),
        (lambda _job: "x" * MEGABYTE, "xxx"),
    ],
    ids=["None", "1", "0", "text", "object", "generator", "coroutine", "unreadable", "megabyte"],
)
def test_a_wrong_return_value_is_an_error_that_names_the_legal_ones(run: Run, returned: Deed, named: str) -> None:
    message = ends_in_error(run(returned))
    assert "must return True or False" in message
    assert named in message
    assert len(message) < 400


# What execute() raises


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("nothing to say")


class Numeric(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]


def raising(error: BaseException) -> Deed:
    def deed(_job: BaseJob) -> object:
        raise error

    return deed


def recurse(job: BaseJob) -> object:
    return recurse(job)


@pytest.mark.parametrize(
    ("misdeed", "expected"),
    [
        (raising(SystemExit(3)), "SystemExit: 3"),
        (raising(KeyboardInterrupt()), "KeyboardInterrupt"),
        (raising(MemoryError()), "MemoryError"),
        (recurse, "RecursionError: maximum recursion depth exceeded"),
        (raising(GeneratorExit()), "GeneratorExit"),
        (raising(StopIteration("done")), "StopIteration: done"),
        (raising(Mute()), "Mute: (its text cannot be shown: ValueError)"),
        (raising(Numeric()), "Numeric: (its text cannot be shown: TypeError)"),
        (raising(RuntimeError("x" * 50 * MEGABYTE)), "RuntimeError: xxx"),
        (raising(RuntimeError("a\x00b\ud800c")), "RuntimeError: a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"),
        (raising(RuntimeError()), "RuntimeError"),
        (raising(BaseExceptionGroup("many", [KeyboardInterrupt(), ValueError("x")])), "BaseExceptionGroup: many"),
        (raising(UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates")), "UnicodeEncodeError"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_whatever_a_job_raises_is_recorded(run: Run, misdeed: Deed, expected: str) -> None:
    result = run(misdeed)
    assert ends_in_error(result).startswith(expected)
    assert "test_hostile_jobs.py" in (result.job.error_trace or "")
    assert len(result.job.error_trace or "") <= 40_000


@pytest.mark.parametrize(
    "misdeed",
    [
        lambda _job: Retry("soon", "in a minute"),  # type: ignore[arg-type]
        lambda _job: Snooze(5),  # type: ignore[arg-type]
        lambda _job: Snooze(timedelta.max),
        lambda job: job.await_jobs(["no id"], "an id that is none"),
        lambda job: job.await_jobs([5], "a number"),
        lambda job: job.await_jobs([None], "nothing"),
        lambda job: job.await_jobs([new_id()], "a job that does not exist"),
        lambda job: job.await_jobs(7, "not even a list"),
        lambda job: job.create_jobs([NewJob("no such type")]),
        lambda job: job.create_jobs([NewJob("good", depends_on=[new_id()])]),
        lambda job: job.wait("a minute"),
    ],
    ids=[
        "retry-after-text",
        "snooze-number",
        "snooze-for-ever",
        "await-no-id",
        "await-number",
        "await-none",
        "await-unknown",
        "await-no-list",
        "create-unknown-type",
        "create-with-unknown-dependency",
        "wait-for-text",
    ],
)
@pytest.mark.parametrize("kind", [Hostile, Quiet])
def test_wrong_arguments_to_the_engine_are_the_jobs_error(
    run: Run, engine: Engine, misdeed: Deed, kind: type[BookJob]
) -> None:
    result = run(misdeed, kind)
    message = ends_in_error(result)
    assert "the worker failed" not in message
    assert lines(engine, result.job.job_id)[-1] == message


# What it leaves on self.job


def setting(**values: Any) -> Deed:
    def deed(job: BaseJob) -> object:
        for name, value in values.items():
            setattr(job.job, name, value)
        return not values.get("error_message")

    return deed


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a\x00b\udfff", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"),
        (404, "404"),
        (["a", "list"], "['a', 'list']"),
    ],
    ids=["nul-and-surrogate", "number", "list"],
)
def test_a_failure_message_is_kept_in_storable_form(run: Run, given: object, kept: str) -> None:
    result = run(setting(error_message=given))
    assert (result.job.state, result.job.error_message) == ("failed", kept)
    assert result.titles == ["by the good job"]


def test_a_huge_failure_message_is_cut(run: Run) -> None:
    result = run(setting(error_message="x" * 10 * MEGABYTE))
    assert result.job.state == "failed"
    assert len(result.job.error_message or "") < 10_000
    assert "more characters" in (result.job.error_message or "")


def test_a_failure_message_that_cannot_be_read_does_not_hide_the_failure(run: Run) -> None:
    def deed(job: BaseJob) -> object:
        job.job.error_message = Unreadable()  # type: ignore[assignment]
        return False

    assert ends_in_error(run(deed))


def circle() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def nested(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


RESULTS: dict[str, Any] = {
    "object": {"value": object()},
    "not-a-number": {"value": float("nan")},
    "infinity": {"value": float("inf")},
    "megabyte": {"value": "x" * MEGABYTE},
    "nul": {"value": "\x00"},
    "surrogate-key": {"\ud800": 1},
    "five-thousand-digits": {"value": 10**5000},
    "deep": {"value": nested(20_000)},
    "circle": {"value": circle()},
    "unreadable": {"value": Unreadable()},
    "unreadable-itself": Unreadable(),
    "text": "text",
    "bytes": b"\x00\xff",
    "set": {1, 2},
    "tuple-keys": {(1, 2): 3},
}


@pytest.mark.parametrize("kind", [Hostile, Quiet])
@pytest.mark.parametrize("value", RESULTS.values(), ids=RESULTS.keys())
def test_a_result_no_database_can_hold_does_not_stop_the_worker(run: Run, value: object, kind: type[BookJob]) -> None:
    result = run(setting(result=value), kind)
    assert result.job.state == "completed"
    assert "by the good job" in result.titles
    assert len(str(result.job.result)) < 70_000


def test_a_result_that_is_no_json_object_is_kept_as_text_and_the_log_says_so(run: Run, engine: Engine) -> None:
    result = run(setting(result={1, 2}))
    assert result.job.result == {"unreadable": "{1, 2}"}
    assert lines(engine, result.job.job_id) == [
        "self.job.result is not a JSON object of at most 64 KiB; its text is kept instead"
    ]


def test_a_result_does_not_outlive_the_writes_it_tells_of(run: Run) -> None:
    def deed(job: BaseJob) -> object:
        job.job.result = {"chunk": "the one below"}
        return write_a_chunk_of_no_book(job)

    result = run(deed)
    ends_in_error(result)
    assert result.job.result is None


def test_what_is_logged_is_what_it_was_when_it_was_logged(run: Run, engine: Engine) -> None:
    def deed(job: BaseJob) -> object:
        seen: dict[str, Any] = {"count": 1}
        job.log("seen", seen=seen)
        seen["count"] = object()
        return True

    job_id = run(deed).job.job_id
    with Session(engine) as session:
        assert session.scalars(select(JobLog.props).filter_by(job_id=job_id)).all() == [{"seen": {"count": 1}}]


@pytest.mark.parametrize("kind", [Hostile, Quiet])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "completed"),
        ("state", "nonsense"),
        ("claim_id", None),
        ("job_id", None),
        ("job_id", "nonsense"),
        ("book_id", None),
        ("chunk_id", 5),
        ("lock_scope", None),
        ("attempt", "many"),
        ("log_count", None),
        ("log_count", "many"),
        ("props", None),
        ("worker_id", None),
        ("completed_at", "now"),
    ],
)
def test_what_a_job_sets_on_its_row_is_not_stored_and_frees_no_other_lock(
    run: Run, name: str, value: object, kind: type[BookJob]
) -> None:
    result = run(setting(**{name: value}), kind)
    assert result.job.state == "completed"
    assert result.job.lock_scope == "book"
    assert (result.job.attempt, result.job.log_count) == (1, 0)


# What it logs


def logging(*calls: tuple[tuple[Any, ...], dict[str, Any]]) -> Deed:
    def deed(job: BaseJob) -> object:
        for args, props in calls:
            job.log(*args, **props)
        return True

    return deed


@pytest.mark.parametrize("kind", [Hostile, Quiet])
@pytest.mark.parametrize(
    ("args", "props", "stored"),
    [
        (("a\x00b",), {}, "a\N{REPLACEMENT CHARACTER}b"),
        (("a\ud800b\udc00c",), {}, "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"),
        ((404,), {}, "404"),
        ((None,), {}, "None"),
        (("a level as long as a sentence", "x" * 200), {}, "a level as long as a sentence"),
        (("a level that is no text", 5), {}, "a level that is no text"),
        (("nul level", "a\x00b"), {}, "nul level"),
        (("nan",), {"value": float("nan")}, "nan"),
        (("object",), {"value": object()}, "object"),
        (("nul",), {"value": "\x00"}, "nul"),
        (("surrogate",), {"value": "\ud800"}, "surrogate"),
        (("digits",), {"value": 10**5000}, "digits"),
        (("deep",), {"value": nested(20_000)}, "deep"),
        (("unreadable",), {"value": Unreadable()}, "unreadable"),
        (("big",), {"value": "x" * MEGABYTE}, "big"),
        (("\x1b[31mred\u202e\r\nnew line",), {}, "\x1b[31mred\u202e\r\nnew line"),
    ],
    ids=[
        "nul",
        "surrogates",
        "number",
        "none",
        "long-level",
        "number-level",
        "nul-level",
        "nan-prop",
        "object-prop",
        "nul-prop",
        "surrogate-prop",
        "digits-prop",
        "deep-prop",
        "unreadable-prop",
        "big-prop",
        "controls",
    ],
)
def test_a_line_is_stored_whatever_is_in_it(
    run: Run, engine: Engine, args: tuple[Any, ...], props: dict[str, Any], stored: str, kind: type[BookJob]
) -> None:
    result = run(logging((args, props), (("and on",), {})), kind)
    assert (result.job.state, result.job.error_message) == ("completed", None)
    assert lines(engine, result.job.job_id) == [stored, "and on"]


def test_a_huge_line_is_cut(run: Run, engine: Engine) -> None:
    result = run(logging((("x" * MEGABYTE,), {})))
    (line,) = lines(engine, result.job.job_id)
    assert line == "x" * LINE_LIMIT + f"… [{MEGABYTE - LINE_LIMIT} more characters]"


def test_a_hundred_thousand_lines_are_capped_with_a_marker(
    run: Run, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookbot_worker.attempt.log.info", lambda *_args, **_values: None)
    result = run(logging(*[((f"line {number}",), {}) for number in range(1, 100_001)]), Quiet)
    assert result.job.state == "completed"
    stored = lines(engine, result.job.job_id)
    assert len(stored) == LINES_LIMIT + 1 == result.job.log_count
    assert stored[-2:] == [f"line {LINES_LIMIT}", f"more than {LINES_LIMIT} lines; the rest is left out"]


def test_lines_and_progress_of_a_thread_that_outlives_its_job_are_dropped(run: Run, engine: Engine) -> None:
    has_settled = threading.Event()
    threads: list[threading.Thread] = []

    def deed(job: BaseJob) -> object:
        def chatter() -> None:
            has_settled.wait(20)
            job.log("too late")
            job.progress(0.5, "too late")

        job.log("in time")
        threads.append(threading.Thread(target=chatter))
        threads[0].start()
        return True

    result = run(deed)
    has_settled.set()
    threads[0].join(20)
    assert not threads[0].is_alive()
    assert lines(engine, result.job.job_id) == ["in time"]
    after = row(engine, result.job.job_id)
    assert (after.state, after.log_count, after.progress, after.progress_message) == ("completed", 1, 1.0, None)


@pytest.mark.parametrize(
    ("fraction", "stored"),
    [(float("nan"), 0.0), (7, 1.0), (-1, 0.0), (float("inf"), 1.0), (0.25, 0.25)],
)
def test_progress_is_always_between_zero_and_one(run: Run, fraction: float, stored: float) -> None:
    def deed(job: BaseJob) -> object:
        job.progress(fraction, "half\x00way")
        job.job.error_message = "stopped there"
        return False

    result = run(deed)
    assert (result.job.state, result.job.progress) == ("failed", stored)
    assert result.job.progress_message == "half\N{REPLACEMENT CHARACTER}way"


def test_progress_that_is_no_number_is_the_jobs_error(run: Run) -> None:
    assert "ValueError" in ends_in_error(run(lambda job: job.progress("x")))  # type: ignore[arg-type, func-returns-value]


# What it does to its session


def violate_a_constraint(job: BaseJob) -> object:
    job.session.add(Book(book_id=job.job.book_id, title="a second book with the same id"))
    return True


def write_a_nul(job: BaseJob) -> object:
    job.session.add(Chunk(chunk_id=new_id(), book_id=job.job.book_id, type="scene", text="a\x00b"))
    return True


def write_half_a_surrogate(job: BaseJob) -> object:
    job.session.add(Chunk(chunk_id=new_id(), book_id=job.job.book_id, type="scene", text="a\ud800b"))
    return True


def write_an_object(job: BaseJob) -> object:
    job.session.add(Book(book_id=new_id(), title=object()))
    return True


def write_a_chunk_of_no_book(job: BaseJob) -> object:
    job.session.add(Chunk(chunk_id=new_id(), book_id=new_id(), type="scene"))
    return True


def add_the_job_itself(job: BaseJob) -> object:
    job.session.add(job.job)
    return True


def write_an_unknown_type(job: BaseJob) -> object:
    job.session.add(Chunk(chunk_id=new_id(), book_id=job.job.book_id, type="poem"))
    return True


@pytest.mark.parametrize(
    "misdeed",
    [
        violate_a_constraint,
        write_half_a_surrogate,
        write_an_object,
        write_a_chunk_of_no_book,
        write_an_unknown_type,
        add_the_job_itself,
    ],
    ids=lambda misdeed: misdeed.__name__,
)
def test_writes_the_database_refuses_at_the_end_are_the_jobs_error(run: Run, engine: Engine, misdeed: Deed) -> None:
    result = run(misdeed)
    message = ends_in_error(result)
    assert message.startswith("The result could not be saved: ")
    assert "INSERT" not in message
    assert lines(engine, result.job.job_id)[-1] == message


def test_a_nul_in_a_chunk_is_refused_by_postgresql_and_kept_by_sqlite(run: Run, engine: Engine) -> None:
    result = run(write_a_nul)
    if engine.dialect.name == "postgresql":
        assert "NUL" in ends_in_error(result)
        return
    assert result.job.state == "completed"
    with Session(engine) as session:
        assert session.scalars(select(Chunk.text)).all() == ["a\x00b"]


def test_setting_its_own_state_through_the_session_changes_nothing_silently(run: Run) -> None:
    def deed(job: BaseJob) -> object:
        job.session.get_one(Job, job.job.job_id).state = "waiting"
        return True

    assert run(deed).job.state in ("error", "completed")


def leave_a_savepoint_open(job: BaseJob) -> object:
    job.session.begin_nested()
    job.session.add(Book(book_id=new_id(), title="in the open savepoint"))
    return True


def leave_a_core_savepoint_open(job: BaseJob) -> object:
    job.session.connection().begin_nested()
    job.session.add(Book(book_id=new_id(), title="in the open savepoint"))
    return True


@pytest.mark.parametrize("misdeed", [leave_a_savepoint_open, leave_a_core_savepoint_open])
def test_an_open_savepoint_is_kept_or_dropped_as_a_whole(run: Run, misdeed: Deed) -> None:
    result = run(misdeed)
    everything = [
        "by the good job",
        "in the open savepoint",
        "must not be written: pending",
        "must not be written: sent",
    ]
    assert result.titles == (everything if result.job.state == "completed" else ["by the good job"])


def test_a_savepoint_left_open_by_an_exception_leaves_nothing(run: Run) -> None:
    def deed(job: BaseJob) -> object:
        leave_a_savepoint_open(job)
        job.session.flush()
        raise RuntimeError("in the middle")

    assert ends_in_error(run(deed)) == "RuntimeError: in the middle"


def test_a_cursor_left_open_disturbs_nobody(run: Run) -> None:
    def deed(job: BaseJob) -> object:
        job.session.connection().execution_options(stream_results=True)
        next(iter(job.session.execute(select(Book.title))))
        raise RuntimeError("in the middle of reading")

    assert ends_in_error(run(deed)) == "RuntimeError: in the middle of reading"


# What is in its row


class StrictProps(Props):
    """Props of a job type that changed since jobs were enqueued."""

    words: int = 1


class Strict(BaseJob):
    def execute(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("props", "named"),
    [
        ('{"words": "many"}', "props.words"),
        ('{"unknown": 1}', "props.unknown"),
        ("[1, 2]", "props"),
        ('"text"', "props"),
        ("null", "props"),
    ],
)
def test_props_that_no_longer_fit_are_the_jobs_error(
    settings: Settings, engine: Engine, props: str, named: str
) -> None:
    catalogue().add(JobType("strict", StrictProps))
    processor = processor_for(settings.model_copy(update=QUICK), Strict)
    wrong, right = enqueue(engine, Strict), enqueue(engine, Strict, props={"words": 2})
    with engine.begin() as connection:
        cast = "CAST(:props AS jsonb)" if engine.dialect.name == "postgresql" else ":props"
        changed = text(f"UPDATE jobs SET props = {cast} WHERE job_id = :job")  # noqa: S608 - two fixed words
        connection.execute(changed, {"props": props, "job": stored_id(engine, wrong)})
    with running(processor):
        eventually(lambda: processor.failure or has_ended(engine, wrong, right))
    assert row(engine, wrong).state == "error"
    assert (row(engine, wrong).error_message or "").startswith(f"{named}")
    assert row(engine, right).state == "completed"


def stored_id(engine: Engine, job_id: str) -> str:
    """The id as SQL text sees it."""
    return job_id if engine.dialect.name == "postgresql" else job_id.replace("-", "")


# In company: many jobs that are settled together


def test_one_job_that_cannot_be_stored_does_not_hold_up_its_group(settings: Settings, engine: Engine) -> None:
    starting_line = threading.Barrier(10)

    class Together(BaseJob):
        def execute(self) -> bool:
            self.log("here", "x" * 100 if self.props.model_dump().get("is_odd") else "INFO")
            starting_line.wait(20)
            if self.props.model_dump().get("is_odd"):
                self.await_jobs([new_id()], "a job that does not exist")
            return True

    processor = processor_for(settings.model_copy(update=QUICK), Together)
    good = [enqueue(engine, Together) for _ in range(9)]
    odd = enqueue(engine, Together, props={"is_odd": True})
    with running(processor):
        eventually(lambda: processor.failure or has_ended(engine, odd, *good))
    assert {row(engine, job_id).state for job_id in good} == {"completed"}
    assert {tuple(lines(engine, job_id)) for job_id in good} == {("here",)}
    assert row(engine, odd).state == "error"
    check_what_always_holds(engine, odd)


def test_lines_stored_before_the_end_are_counted_even_if_the_end_cannot_be_stored(
    settings: Settings, engine: Engine
) -> None:
    is_seen = threading.Event()

    class Doomed(BaseJob):
        def execute(self) -> bool:
            self.log("seen while running")
            is_seen.wait(20)
            self.await_jobs([new_id()], "a job that does not exist")

    processor = processor_for(settings.model_copy(update=QUICK | {"log_flush_seconds": 0.02}), Doomed)
    doomed = enqueue(engine, Doomed)
    with running(processor):
        eventually(lambda: lines(engine, doomed))
        is_seen.set()
        eventually(lambda: processor.failure or has_ended(engine, doomed))
    assert row(engine, doomed).state == "error"
    check_what_always_holds(engine, doomed)
