"""The front page: what waits and runs, what ended lately, who works, what it costs today, what needs a person."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from bookbot_web.charts import lines, stacked, top_of
from bookbot_web.database import Db
from bookbot_web.live import cursor_for_lists
from bookbot_web.rendering import render
from shared.views import cost_of_day, list_workers
from shared.views.attention import needs_attention
from shared.views.overview import COUNTED, count_active, ended_lately, quantile

router = APIRouter()

_PARTS = ("completed", "cancelled", "failed", "error")
"""From the bottom of a column to its top."""


@router.get("/")
def overview(request: Request, db: Db, window: Literal["hour", "day"] = "hour") -> HTMLResponse:
    """Figures of this moment, and charts of the last hour or day."""
    with db.reading() as session:
        cursor = cursor_for_lists(session, ("jobs", "workers"))
        ended = ended_lately(session, window)
        return render(
            request, "overview.html", here="overview", cursor=cursor, window=window, counted=COUNTED,
            counts=count_active(session), ended=ended, throughput=_throughput(ended), waits=_waits(ended),
            workers=_not_stopped(list_workers(session)), cost=cost_of_day(session), attention=needs_attention(session),
        )  # fmt: skip


def _not_stopped(workers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that live, and those of whom nothing was heard any more; who has said goodbye is on the workers' page."""
    return [worker for worker in workers if worker["state"] != "stopped"]


def _throughput(ended: dict[str, Any]) -> dict[str, Any]:
    slots = ended["slots"]
    top = top_of(max(sum(slot[part] for part in _PARTS) for slot in slots))
    return {"top": top, "bars": stacked([[(part, slot[part]) for part in _PARTS] for slot in slots], top)}


def _waits(ended: dict[str, Any]) -> dict[str, Any]:
    """The median and the 95th percentile of each slot, and of the window."""
    together: dict[int, int] = {}
    for slot in ended["slots"]:
        for wait_class, count in slot["waits"].items():
            together[wait_class] = together.get(wait_class, 0) + count
    half, most = ([quantile(slot["waits"], share) for slot in ended["slots"]] for share in (0.5, 0.95))
    top = top_of(max((figure for figure in most if figure is not None), default=0.0))
    return {
        "top": top,
        "lines": lines(most, top, "p95") + lines(half, top, "p50"),
        "p50": quantile(together, 0.5),
        "p95": quantile(together, 0.95),
    }
