"""Event streams of a real server about jobs of a real worker, read over raw sockets."""

import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from shared.database import make_engine
from shared.enqueue import create_job
from shared.ids import new_id
from shared.models import JobLog
from shared.settings import Settings
from tests.support import talking_jobs
from tests.support.claims import add_book
from tests.support.fleet import Fleet
from tests.support.running import eventually, row
from tests.support.sse import Stream, Told
from tests.support.web_server import WebServer, web_server

pytestmark = pytest.mark.acceptance

TALKING = {"BOOKBOT_JOB_TYPES": talking_jobs.__name__, "BOOKBOT_JOBS": talking_jobs.__name__}


@pytest.fixture
def web(settings: Settings, tmp_path: Path) -> Iterator[WebServer]:
    with web_server(settings, tmp_path) as server:
        yield server


def enqueue(engine: Engine, job_type: str, **values: Any) -> str:
    talking_jobs.declare()
    with Session(engine) as session:
        job = create_job(job_type=job_type, session=session, **values)
        session.commit()
        return job.job_id


def lines_of(told: Told) -> list[str]:
    return [line["message"] for line in told.data] if told.name == "log" else []


def test_no_line_is_lost_or_told_twice_however_often_client_and_server_are_cut(
    web: WebServer, fleet: Fleet, engine: Engine
) -> None:
    job_id = enqueue(engine, "talk", props={"lines": 5000, "at_once": 25, "pause": 0.05})
    fleet.start(env=TALKING)
    heard: list[str] = []
    last_id: str | None = None
    chance = random.Random(6)
    cuts = sorted(chance.sample(range(100, 4900), 20))
    restarts = {cuts[6]: signal.SIGTERM, cuts[13]: signal.SIGKILL}
    is_over = False
    while not is_over:
        stream = Stream(f"{web.url}/api/jobs/{job_id}/events", last_id)
        try:
            for told in stream.events():
                heard += lines_of(told)
                last_id = told.ident or last_id
                is_over = told.name == "end"
                if cuts and len(heard) >= cuts[0]:
                    cut = cuts.pop(0)
                    if cut in restarts:
                        web.end(restarts[cut])
                        web.start()
                    break
        except OSError:
            pass
        finally:
            stream.close()
    assert cuts == []
    assert heard == [f"line {number}" for number in range(1, 5001)]


def test_a_stream_tells_the_life_of_a_job_and_ends_with_it(web: WebServer, fleet: Fleet, engine: Engine) -> None:
    job_id = enqueue(engine, "talk")
    stream = Stream(f"{web.url}/api/jobs/{job_id}/events")
    events = stream.events()
    first = next(events)
    assert (first.name, first.data["state"], first.data["job_id"]) == ("state", "waiting", job_id)
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert (stream.headers["x-accel-buffering"], stream.headers["cache-control"]) == ("no", "no-store")
    fleet.start(env=TALKING)
    rest = list(events)
    stream.close()
    assert [line for told in rest for line in lines_of(told)] == [f"line {number}" for number in range(1, 101)]
    assert [told.data["state"] for told in rest if told.name == "state"][-1] == "completed"
    assert (rest[-1].name, rest[-1].data) == ("end", {"state": "completed"})
    assert {told.name for told in rest} >= {"state", "log", "changed", "end"}


def test_of_an_ended_job_everything_is_told_at_once(web: WebServer, fleet: Fleet, engine: Engine) -> None:
    job_id = enqueue(engine, "talk", props={"lines": 1200, "at_once": 5000})
    fleet.start(env=TALKING)
    eventually(lambda: row(engine, job_id).state == "completed", 60)
    stream = Stream(f"{web.url}/api/jobs/{job_id}/events")
    told = list(stream.events())
    stream.close()
    heard = [line for one in told for line in lines_of(one)]
    assert heard == [f"line {number}" for number in range(1, 1201)]
    middle = next(one.ident for one in told if one.name == "log")
    again = Stream(f"{web.url}/api/jobs/{job_id}/events?after={middle}")
    assert [line for one in again.events() for line in lines_of(one)] == heard[50:]
    again.close()


def test_the_answer_that_is_coming_is_told_piece_by_piece(web: WebServer, fleet: Fleet, engine: Engine) -> None:
    book_id = add_book(engine)
    props = {"brief": "# The Clock of Lisbon\n\nInes inherits a clock that runs backwards."}
    job_id = enqueue(engine, "create_foundation", book_id=book_id, props=props)
    stream = Stream(f"{web.url}/api/jobs/{job_id}/events")
    fleet.start(env={"BOOKBOT_OFFLINE_WORDS_PER_SECOND": "80"})
    answers: dict[int, str] = {}
    pieces = 0
    for told in stream.events():
        if told.name == "text" and told.data["call"] is not None:
            text = answers.get(told.data["call"], "")
            assert told.data["at"] == len(text)
            answers[told.data["call"]] = text + told.data["text"]
            pieces += 1
            assert len(answers[told.data["call"]]) == told.data["length"]
    stream.close()
    assert told.data == {"state": "completed"}
    assert pieces > 3
    assert "Ines" in answers[1]


def test_lists_tell_what_changed_also_while_the_viewer_was_away(web: WebServer, fleet: Fleet, engine: Engine) -> None:
    url = f"{web.url}/api/events?topics=workers,jobs"
    stream = Stream(url)
    events = stream.events()
    seen = next(events)
    assert (seen.name, seen.data) == ("seen", {"topics": ["jobs", "workers"]})
    job_id = enqueue(engine, "talk", props={"lines": 1})
    changed = next(events)
    assert (changed.name, changed.data) == ("changed", {"topics": ["jobs"]})
    stream.close()
    again = Stream(url, changed.ident)
    fleet.start(env=TALKING)
    eventually(lambda: row(engine, job_id).state == "completed", 60)
    told = next(again.events())
    again.close()
    assert told.name == "changed"
    late = Stream(url, seen.ident)
    assert next(late.events()).data == {"topics": ["jobs", "workers"]}
    late.close()


def test_a_book_has_a_stream_of_its_own(web: WebServer, engine: Engine) -> None:
    books = [add_book(engine), add_book(engine)]
    streams = [Stream(f"{web.url}/api/events?topics=books&book_id={book}", timeout=5) for book in books]
    events = [stream.events() for stream in streams]
    assert [next(each).name for each in events] == ["seen", "seen"]
    enqueue(engine, "create_foundation", book_id=books[0], props={"brief": "A brief of some words."})
    assert next(events[0]).name == "changed"
    with pytest.raises(TimeoutError):
        next(events[1])
    for stream in streams:
        stream.close()


REFUSED = {
    "/api/jobs/{unknown}/events": 404,
    "/api/jobs/nonsense/events": 404,
    "/api/jobs/{job}/events?after=1.2": 422,
    "/api/events": 422,
    "/api/events?topics=": 422,
    "/api/events?topics=jobs,secrets": 422,
    "/api/events?topics=jobs&book_id=7": 422,
    "/api/events?topics=jobs&after=zzz": 422,
}


def test_wrong_questions_are_refused_before_a_stream_begins(web: WebServer, engine: Engine) -> None:
    job_id = enqueue(engine, "talk")
    answers = {}
    for path in REFUSED:
        stream = Stream(web.url + path.format(job=job_id, unknown=new_id()))
        answers[path] = stream.read_head()
        assert f'"status":{answers[path]}'.encode() in stream.body()
        stream.close()
    assert answers == REFUSED


def test_a_cursor_of_nowhere_hides_nothing_from_others(web: WebServer, fleet: Fleet, engine: Engine) -> None:
    job_id = enqueue(engine, "talk", props={"lines": 40})
    address = f"{web.url}/api/jobs/{job_id}/events"
    streams = [Stream(address, f"999999999.1.{new_id()}"), Stream(address)]
    events = [stream.events() for stream in streams]
    assert [next(each).name for each in events] == ["state", "state"]
    fleet.start(env=TALKING)
    for each in events:
        assert len([line for told in each for line in lines_of(told)]) == 40
    for stream in streams:
        stream.close()


def test_too_many_streams_are_asked_to_come_again(settings: Settings, tmp_path: Path) -> None:
    with web_server(settings, tmp_path, BOOKBOT_WEB_STREAMS="2") as web:
        url = f"{web.url}/api/events?topics=jobs"
        two = [Stream(url) for _ in range(2)]
        assert [stream.read_head() for stream in two] == [200, 200]
        third = Stream(url)
        assert third.read_head() == 503
        assert int(third.headers["retry-after"]) > 0
        third.close()
        two[0].close()

        def has_room() -> bool:
            stream = Stream(url)
            status = stream.read_head()
            stream.close()
            return status == 200

        eventually(has_room)
        two[1].close()


def large_log(engine: Engine, job_id: str, count: int) -> None:
    """A log that fits in no buffer between two sockets."""
    claim, now = new_id(), row(engine, job_id).created_at
    rows = [
        {"job_id": job_id, "attempt": 1, "seq": seq, "claim_id": claim, "level": "INFO", "message": "x" * 8000,
         "props": None, "created_at": now}
        for seq in range(1, count + 1)
    ]  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(JobLog), rows)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_by_itself_with_a_hundred_streams_open_and_some_that_are_not_read(
    postgres_settings: Settings, tmp_path: Path, number: signal.Signals
) -> None:
    engine = make_engine(postgres_settings)
    job_id = enqueue(engine, "talk")
    large_log(engine, job_id, 1500)
    with web_server(postgres_settings, tmp_path) as web:
        address = f"{web.url}/api/jobs/{job_id}/events"
        dead = [Stream(address, receive_buffer=4096) for _ in range(5)]
        last = f"1.1500.{new_id()}"
        streams = [Stream(address, last) for _ in range(50)]
        streams += [Stream(f"{web.url}/api/events?topics=jobs") for _ in range(50)]
        events = [stream.events() for stream in streams]
        assert [next(each).name for each in events] == ["state"] * 50 + ["seen"] * 50
        web.process.send_signal(number)
        for each in events:
            told = list(each)
            assert [one.name for one in told if one.name != "changed"] == ["reconnect"]
        assert web.process.wait(30) in (0, -number)
        assert "exceeded" not in web.log.read_text()  # uvicorn's words where it had to give up waiting
        assert "Traceback" not in web.log.read_text()
        for stream in (*dead, *streams):
            stream.close()
    engine.dispose()


def test_viewers_share_one_connection_and_those_who_never_read_hold_up_nobody(
    postgres_settings: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    engine = make_engine(postgres_settings)
    noisy, job_id = enqueue(engine, "talk"), enqueue(engine, "talk", props={"lines": 300})
    large_log(engine, noisy, 1500)
    fleet = Fleet(postgres_settings, tmp_path)
    request.addfinalizer(fleet.close)
    with web_server(postgres_settings, tmp_path) as web:
        dead = [Stream(f"{web.url}/api/jobs/{noisy}/events", receive_buffer=4096) for _ in range(25)]
        dead += [Stream(f"{web.url}/api/jobs/{job_id}/events", receive_buffer=4096) for _ in range(25)]
        streams = [Stream(f"{web.url}/api/jobs/{job_id}/events") for _ in range(200)]
        heard: list[list[str]] = [[] for _ in streams]

        def read(number: int) -> None:
            for told in streams[number].events():
                heard[number] += lines_of(told)

        readers = [threading.Thread(target=read, args=(number,), daemon=True) for number in range(len(streams))]
        for reader in readers:
            reader.start()
        fleet.start(env=TALKING)
        tails = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bookbot-web-tail'"
        tails += " AND datname = current_database()"
        eventually(lambda: heard[0])
        with engine.connect() as connection:
            assert connection.exec_driver_sql(tails).scalar() == 1
        for reader in readers:
            reader.join(60)
        assert heard == [[f"line {number}" for number in range(1, 301)]] * 200
        for stream in (*dead, *streams):
            stream.close()
    engine.dispose()
