"""One look at the database: what has changed about all that is watched. Runs in the tail's thread."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from bookbot_web.live.events import Event, Item, Lines, encode
from bookbot_web.live.watches import JobNews, JobWatch, ListNews, ListWatch
from shared.states import JobState
from shared.views.signatures import signature
from shared.views.watching import lines_of_jobs, live_texts, states_of_jobs

LINES = 200
"""Lines of one job that are read at once; where there are more, the next look follows without a pause."""

OTHERS_SECONDS = 10.0
"""So often the page of a waiting job is out of date, though its row did not change: others were served."""

_MOVING = ("progress", "progress_message")
"""Shown from the event itself; all other columns make the page fetch itself anew."""

_NO_TEXT = Event(encode("text", {"claim_id": None, "call": None, "at": 0, "text": "", "length": 0}))
_CHANGED = Event(encode("changed", {"topics": ["job"]}))


def look_at_jobs(session: Session, watches: Sequence[JobWatch], now: float) -> list[JobNews]:
    """What is new about each job. First the rows, then the lines: an ended job is never seen without all of them."""
    if not watches:
        return []
    states = states_of_jobs(session, [watch.job_id for watch in watches])
    lines = lines_of_jobs(session, {watch.job_id: watch.place for watch in watches}, limit=LINES)
    texts = live_texts(session, {watch.job_id: _known(watch.text) for watch in watches})
    found = (
        _news(watch, states.get(watch.job_id), lines.get(watch.job_id, []), texts.get(watch.job_id), now)
        for watch in watches
    )
    return [news for news in found if news.items or news.is_over]


def _news(
    watch: JobWatch, state: dict[str, Any] | None, lines: list[dict[str, Any]], text: dict[str, Any] | None, now: float
) -> JobNews:
    items: list[Item] = []
    if lines:
        items.append(Lines.of(lines))
        watch.place = items[0].end  # type: ignore[union-attr]
    items += _text_items(watch, state, text)
    greeting: tuple[Item, ...] = ()
    if state is not None and state != watch.state:
        items.append(Event(encode("state", state)))
    if state is not None:
        greeting = (Event(encode("state", state)), *_whole_text(watch.text)) if items else ()
        if _is_out_of_date(watch, state, now):
            watch.changed_at = now
            items.append(_CHANGED)
    watch.state = state
    is_over = (state is None or JobState(state["state"]).is_terminal) and len(lines) < LINES
    if is_over:
        items.append(Event(encode("end", {"state": state["state"] if state else None})))
    return JobNews(watch, items, watch.place, greeting, is_over, len(lines) == LINES)


def _is_out_of_date(watch: JobWatch, state: dict[str, Any], now: float) -> bool:
    """Whether the page would look different; the first look tells what it has found, not that it has changed."""
    if watch.state is None:
        watch.changed_at = now
        return False
    still = ({key: value for key, value in each.items() if key not in _MOVING} for each in (watch.state, state))
    is_passed = state["state"] == JobState.WAITING and now >= watch.changed_at + OTHERS_SECONDS
    return is_passed or next(still) != next(still)


def _text_items(watch: JobWatch, state: dict[str, Any] | None, text: dict[str, Any] | None) -> list[Item]:
    """What has come of the answer since the last look; an answer is gone when its claim is."""
    known = watch.text
    if text is not None:
        watch.text = text
        is_same = known is not None and (known["claim_id"], known["call"]) == (text["claim_id"], text["call"])
        seen = _length(known) if known is not None and is_same else 0
        return [_text_event(text, max(seen, text["cut"]))]
    is_going_on = state is not None and state["state"] == JobState.RUNNING
    if known is not None and (state is None or not is_going_on or state["claim_id"] != known["claim_id"]):
        watch.text = None
        return [_NO_TEXT]
    return []


def _text_event(text: dict[str, Any], start: int) -> Event:
    told = {"claim_id": text["claim_id"], "call": text["call"], "at": start, "length": _length(text)}
    return Event(encode("text", told | {"text": text["text"][start - text["cut"] :]}))


def _whole_text(text: dict[str, Any] | None) -> tuple[Item, ...]:
    return () if text is None else (_text_event(text, text["cut"]),)


def _length(text: dict[str, Any]) -> int:
    return int(text["cut"] + len(text["text"]))


def _known(text: dict[str, Any] | None) -> tuple[str, int, int]:
    return ("", 0, -1) if text is None else (text["claim_id"], text["call"], _length(text))


def look_at_lists(session: Session, watches: Sequence[ListWatch]) -> list[ListNews]:
    """Which lists look different. Each topic is looked at once, however many watch it."""
    seen: dict[tuple[str, str | None], str] = {}
    found = []
    for watch in watches:
        parts = []
        for topic in watch.topics:
            key = (topic, watch.book_id)
            if key not in seen:
                seen[key] = signature(session, *key)
            parts.append(seen[key])
        cursor = "-".join(parts)
        if cursor != watch.cursor:
            found.append(ListNews(watch, cursor))
            watch.cursor = cursor
    return found
