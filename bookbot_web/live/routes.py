"""The two addresses of event streams: of one job, and of lists."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request

from bookbot_web.auth import require_access
from bookbot_web.database import Db
from bookbot_web.live.cursor import read_lists, read_place
from bookbot_web.live.response import EventStream
from bookbot_web.live.service import Live
from shared.errors import InvalidInput, NotFound
from shared.ids import check_id
from shared.models import Job
from shared.views import find_id
from shared.views.signatures import TOPICS
from shared.views.watching import last_position

router = APIRouter(dependencies=[Depends(require_access)])

After = Annotated[str | None, Query(max_length=200, description="a cursor; Last-Event-ID wins over it")]
LastEventId = Annotated[str | None, Header(max_length=200)]
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-Sent Events; docs/live.md names them", "content": {"text/event-stream": {}}}
}


@router.get(
    "/jobs/{job_id}/events",
    status_code=200,
    tags=["live"],
    summary="Follow a job until it ends",
    response_class=EventStream,
    responses=_STREAM,
)
def job_events(
    job_id: str, request: Request, db: Db, after: After = None, last_event_id: LastEventId = None
) -> EventStream:
    """Events `state`, `log`, `text`, `changed`, `trouble`, `reconnect`; after `end` there are no more."""
    given = read_place("last-event-id" if last_event_id else "after", last_event_id or after)
    try:
        known = check_id("job", job_id)
    except InvalidInput:
        raise NotFound("job", job_id) from None
    with db.reading() as session:
        known = find_id(session, Job.job_id, "job", known)
        last = last_position(session, known)
    # A place beyond the end (of another job, of lines a failover has lost) would hide lines from everybody.
    place = min(given, last)
    live = _live(request)
    return EventStream(live.hub, lambda mailbox: live.feeds.job(mailbox, known, place))


@router.get(
    "/events",
    status_code=200,
    tags=["live"],
    summary="Learn when lists change",
    response_class=EventStream,
    responses=_STREAM,
)
async def list_events(
    request: Request,
    topics: Annotated[str, Query(max_length=200, description=f"some of {', '.join(TOPICS)}, with commas between")],
    book_id: Annotated[str | None, Query(description="jobs and books of this book alone")] = None,
    after: After = None,
    last_event_id: LastEventId = None,
) -> EventStream:
    """Events `seen`, `changed`, `trouble`, `reconnect`. What has changed is asked for elsewhere."""
    asked = tuple(sorted({topic.strip() for topic in topics.split(",")}))
    if unknown := [topic for topic in asked if topic not in TOPICS]:
        raise InvalidInput("topics", f"{unknown[0][:40]!r} is none of {', '.join(TOPICS)}")
    book = check_id("book_id", book_id) if book_id else None
    cursor = read_lists("last-event-id" if last_event_id else "after", last_event_id or after)
    live = _live(request)
    return EventStream(live.hub, lambda mailbox: live.feeds.lists(mailbox, (asked, book), cursor))


def _live(request: Request) -> Live:
    found: Live = request.app.state.live
    return found
