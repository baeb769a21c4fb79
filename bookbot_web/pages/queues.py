"""What can be done to a queue on the page of workers: pause it, let it go on, limit it."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from bookbot_web.database import Db
from bookbot_web.forms import Form, text_of
from bookbot_web.pages.operating import act_and_say
from shared.errors import InvalidInput
from shared.queues import limit_queue, pause_queue, resume_queue

router = APIRouter()


@router.post("/queues/pause")
def pause(request: Request, form: Form, db: Db) -> Response:
    """Let no more of its jobs start."""
    name = text_of(form, "queue") or ""

    def act(session: Session) -> str:
        pause_queue(name, session=session)
        return f"The queue {name} is paused; what runs goes on."

    return act_and_say(request, db, "/workers", act)


@router.post("/queues/resume")
def resume(request: Request, form: Form, db: Db) -> Response:
    """Let its jobs start again."""
    name = text_of(form, "queue") or ""

    def act(session: Session) -> str:
        resume_queue(name, session=session)
        return f"Jobs of the queue {name} start again."

    return act_and_say(request, db, "/workers", act)


@router.post("/queues/limit")
def limit(request: Request, form: Form, db: Db) -> Response:
    """At most so many of its jobs at once; an empty number takes the limit away."""
    name, most = text_of(form, "queue") or "", text_of(form, "max_running")

    def act(session: Session) -> str:
        if most is not None and not (most.isascii() and most.isdigit() and len(most) < 10):
            raise InvalidInput("max_running", "must be a whole number from 0 on, or empty")
        limit_queue(name, int(most) if most else None, session=session)
        return f"At most {most} jobs of the queue {name} run at once." if most else f"The queue {name} has no limit."

    return act_and_say(request, db, "/workers", act)
