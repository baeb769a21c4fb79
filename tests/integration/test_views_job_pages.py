"""What the pages of jobs are made of, on both databases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from shared.enqueue import create_job
from shared.errors import InvalidInput, NotFound
from shared.ids import new_id
from shared.models import Job, JobLog, LlmCall, Queue, Worker
from shared.views.attention import needs_attention
from shared.views.conversation import get_call, list_calls
from shared.views.family import list_children, relatives
from shared.views.job_rows import child_counts, jobs_by_id, short_reasons
from shared.views.job_search import newer_jobs, search_jobs
from shared.views.log_pages import count_lines, log_page
from shared.views.overview import count_active, ended_lately, quantile

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC)


def add(session: Session, job_type: str = "demo", **values: Any) -> str:
    job_id = create_job(job_type=job_type, session=session, **values).job_id
    session.flush()
    return job_id


def put(session: Session, job_id: str, state: str, **values: Any) -> None:
    """Write a state straight into the row."""
    ended = {"completed_at": datetime.now(UTC)} if state not in ("waiting", "running") else {}
    worker = {"worker_id": new_id()} if state == "running" else {}
    session.execute(update(Job).where(Job.job_id == job_id).values({"state": state, **ended, **worker, **values}))


def live_worker(session: Session, **values: Any) -> str:
    given = {"state": "running", "queues": [], "job_types": ["demo"], "lease_until": NOW + timedelta(hours=1)}
    worker = Worker(worker_id=new_id(), name="w", hostname="h", pid=1, version="1", concurrency=4, **(given | values))
    session.add(worker)
    session.flush()
    return worker.worker_id


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["job_id"] for row in rows]


def lines(session: Session, job_id: str, *messages: str, level: str = "INFO", attempt: int = 1, first: int = 1) -> None:
    claim = new_id()
    for seq, message in enumerate(messages, first):
        values = {"job_id": job_id, "attempt": attempt, "seq": seq, "claim_id": claim, "level": level}
        session.add(JobLog(**values, message=message, props=None, created_at=NOW))
    session.flush()


def test_pages_of_a_search_follow_each_other_without_gap_or_repeat(session: Session) -> None:
    added = [add(session) for _ in range(5)]
    first = search_jobs(session, {}, limit=2)
    second = search_jobs(session, {}, limit=2, before=first.next_before)
    third = search_jobs(session, {}, limit=2, before=second.next_before)
    assert ids(first.jobs + second.jobs + third.jobs) == added[::-1]
    assert third.next_before is None


@pytest.mark.parametrize("state", ["completed", "error", "waiting"])
def test_filters_narrow_a_search_alone_and_together(session: Session, state: str) -> None:
    parent = add(session)
    child = add(session, parent_job_id=parent, queue="slow")
    other = add(session, queue="slow")
    for job_id in (child, other):
        put(session, job_id, state)
    put(session, parent, "running")
    assert ids(search_jobs(session, {"state": state}).jobs) == [other, child]
    assert ids(search_jobs(session, {"state": state, "queue": "slow", "parent_job_id": parent}).jobs) == [child]
    assert ids(search_jobs(session, {"state": "running", "job_type": "demo"}).jobs) == [parent]
    assert search_jobs(session, {"job_type": "export_book"}).jobs == []


def test_a_search_that_finds_little_stops_says_so_and_goes_on_from_there(session: Session) -> None:
    rare = add(session, queue="rare")
    for _ in range(6):
        add(session)
    first = search_jobs(session, {"queue": "rare"}, scanned=4)
    assert first.jobs == []
    assert first.looked_back_to is not None
    second = search_jobs(session, {"queue": "rare"}, scanned=4, before=first.next_before)
    assert ids(second.jobs) == [rare]
    assert second.next_before is None
    assert second.looked_back_to is None


def test_newer_jobs_are_counted_by_the_same_filters(session: Session) -> None:
    first = add(session)
    add(session)
    add(session, queue="slow")
    assert newer_jobs(session, {}, after=first) == 2
    assert newer_jobs(session, {"queue": "slow"}, after=first) == 1
    assert newer_jobs(session, {}, after=first, most=1) == 1


@pytest.mark.parametrize("filters", [{"state": "done"}, {"book_id": "x"}, {"colour": "red"}, {"queue": "q" * 65}])
def test_a_wrong_filter_is_refused(session: Session, filters: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        search_jobs(session, filters)


def test_children_are_counted_by_state_and_the_same_rows_are_found_again(session: Session) -> None:
    parent, alone = add(session), add(session)
    for state in ("completed", "completed", "error"):
        put(session, add(session, parent_job_id=parent), state)
    assert child_counts(session, [parent, alone]) == {parent: {"completed": 2, "error": 1}}
    assert ids(jobs_by_id(session, [parent.replace("-", ""), alone])) == [alone, parent]


def test_a_few_words_say_why_each_job_waits(session: Session) -> None:
    first = add(session)
    blocked = add(session, depends_on=[first])
    later = add(session, run_at=NOW + timedelta(days=1))
    paused = add(session, queue="paused")
    session.add(Queue(queue="paused", paused_at=NOW))
    session.flush()

    def reasons() -> dict[str, str]:
        return short_reasons(session, search_jobs(session, {}).jobs)

    assert reasons() == {
        first: "no worker is running",
        blocked: "after 1 other job",
        later: "scheduled",
        paused: "its queue is paused",
    }
    worker = live_worker(session, job_types=["export_book"])
    assert reasons()[first] == "no worker knows its type"
    session.execute(update(Worker).where(Worker.worker_id == worker).values(job_types=["demo"], queues=["other"]))
    assert reasons()[first] == "no worker serves its queue"
    live_worker(session)
    assert reasons()[first] == "in line"


def test_a_log_is_paged_from_its_end_and_from_any_place(session: Session) -> None:
    job_id = add(session)
    lines(session, job_id, *(f"line {number}" for number in range(1, 6)))
    lines(session, job_id, "again", attempt=2, first=6)
    last = log_page(session, job_id, limit=2)
    assert [line["message"] for line in last.lines] == ["line 5", "again"]
    assert (last.has_earlier, last.has_later) == (True, False)
    before = log_page(session, job_id, limit=2, before=(1, 5))
    assert [line["message"] for line in before.lines] == ["line 3", "line 4"]
    assert before.has_later
    after = log_page(session, job_id, limit=9, after=(1, 4))
    assert [line["message"] for line in after.lines] == ["line 5", "again"]
    assert (after.has_earlier, after.has_later) == (True, False)


def test_a_log_is_searched_in_either_case_by_level_and_counted_truly(session: Session) -> None:
    job_id = add(session)
    lines(session, job_id, "Salt 100%", "salt_water", "SALT", level="INFO")
    lines(session, job_id, "no salt left", level="ERROR", first=4)
    assert count_lines(session, job_id, q="salt") == 4
    assert count_lines(session, job_id, q="salt", level="warning") == 1
    assert [line["message"] for line in log_page(session, job_id, q="100%").lines] == ["Salt 100%"]
    assert count_lines(session, job_id, q="t_w") == 1
    assert log_page(session, job_id, q="salt", limit=2).has_earlier
    with pytest.raises(InvalidInput):
        log_page(session, job_id, level="loud")


def test_calls_are_listed_without_their_texts_and_shown_one_by_one(session: Session) -> None:
    job_id, other = add(session), add(session)
    call = LlmCall(
        call_id=new_id(), job_id=job_id, attempt=1, seq=1, request_hash="x", provider="p", model="m", status="done",
        request={"messages": [{"role": "user", "content": "hello"}]}, response="good day",
    )  # fmt: skip
    session.add(call)
    session.flush()
    [listed] = list_calls(session, job_id)
    assert "request" not in listed
    assert listed["response_characters"] == 8
    assert listed["request_characters"] > 20
    assert get_call(session, job_id, call.call_id)["response"] == "good day"
    for wrong_job, wrong_call in ((other, call.call_id), (job_id, new_id()), (job_id, "x")):
        with pytest.raises(NotFound):
            get_call(session, wrong_job, wrong_call)


def test_a_job_s_relatives_are_named(session: Session) -> None:
    parent = add(session)
    first = add(session, parent_job_id=parent)
    second = add(session, parent_job_id=parent, depends_on=[first])
    family = relatives(session, second, parent)
    assert family["parent"]["job_id"] == parent
    assert ids(family["needs"]) == [first]
    assert ids(relatives(session, first, None)["needed_by"]) == [second]
    assert ids(list_children(session, parent)) == [first, second]


def test_the_front_page_counts_what_is_and_what_ended_lately(session: Session) -> None:
    add(session)
    add(session, run_at=NOW + timedelta(days=1))
    put(session, add(session), "running")
    assert count_active(session) == {"running": 1, "waiting": 1, "scheduled": 1}
    now = datetime.now(UTC)
    for state, waited in (("completed", 0.3), ("completed", 8.0), ("error", None)):
        due = now - timedelta(seconds=60)
        started = None if waited is None else due + timedelta(seconds=waited)
        put(session, add(session), state, run_at=due, started_at=started, completed_at=now)
    put(session, add(session), "completed", completed_at=now - timedelta(days=2))
    ended = ended_lately(session, "hour")
    assert ended["totals"] == {"completed": 2, "error": 1, "failed": 0, "cancelled": 0}
    [slot] = [slot for slot in ended["slots"] if slot["completed"]]
    assert ended["now"] - slot["at"] < timedelta(minutes=2)
    assert sum(slot["waits"].values()) == 2
    assert 0.2 < (quantile(slot["waits"], 0.5) or 0) <= 0.5
    assert 5 < (quantile(slot["waits"], 1.0) or 0) <= 10


def test_quantiles_of_nothing_are_none() -> None:
    assert quantile({}, 0.5) is None


def test_what_needs_a_person_is_found(session: Session) -> None:
    assert needs_attention(session)["first_due"] is None
    wrong, stuck, old = add(session), add(session), add(session)
    put(session, wrong, "error", error_message="boom")
    put(session, stuck, "running", started_at=NOW)
    put(session, old, "error", completed_at=NOW - timedelta(days=3))
    waits = add(session)
    found = needs_attention(session)
    assert ids(found["went_wrong"]) == [wrong]
    assert ids(found["stuck"]) == [stuck]
    assert found["first_due"]["job_id"] == waits
    assert found["live_workers"] == 0
    session.execute(update(Job).where(Job.job_id == stuck).values(worker_id=live_worker(session, trouble="no key")))
    found = needs_attention(session)
    assert (found["stuck"], found["live_workers"], found["troubles"]) == ([], 1, ["no key"])
