"""What operators change on pages: queues and schedules. In one transaction, and what came of it is said on the page."""

from collections.abc import Callable

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from bookbot_web.database import Db
from bookbot_web.flash import redirect
from shared.errors import Conflict, InvalidInput

NOT_GRANTED = "The web's role in the database may not change this: grant it with `bookbot-worker db grants --operate`."


def act_and_say(request: Request, db: Db, path: str, act: Callable[[Session], str]) -> Response:
    """303 to `path`, where the sentence that `act` returns is shown, or why nothing was changed. NotFound is raised."""
    try:
        with db.writing() as session:
            said = act(session)
    except (Conflict, InvalidInput) as error:
        said = f"Nothing was changed: {error}"
    except ProgrammingError as error:
        if type(error.orig).__name__ != "InsufficientPrivilege":
            raise
        said = NOT_GRANTED
    return redirect(request, path, said=said)
