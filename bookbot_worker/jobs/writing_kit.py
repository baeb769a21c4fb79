"""A book's bots and tasks as jobs use them: its own chunks, or the defaults where it has none.

Owns turning chunks into checked entries and choosing one by name.
"""

from collections.abc import Sequence

from pydantic import ValidationError
from sqlalchemy.orm import Session

from bookbot_worker.books import library
from bookbot_worker.books.library import Bot, Task
from bookbot_worker.jobs.versions import latest
from shared.errors import BookbotError
from shared.models import Chunk


class UnknownEntry(BookbotError):
    """The book has no bot or task that fits; the text names those it has."""

    def __init__(self, kind: str, name: str | None, known: Sequence[str]) -> None:
        wanted = f"called {name!r}" if name is not None else "for this job"
        super().__init__(f"The book has no {kind} {wanted}; it has: {', '.join(known) or 'none'}.")


class UnusableEntry(BookbotError):
    """A bot or task of the book cannot be used; the text says why."""

    def __init__(self, chunk: Chunk, reason: str) -> None:
        super().__init__(f"The {chunk.type} {str(chunk.props.get('name', chunk.chunk_id))!r} cannot be used: {reason}.")


def choose_bot(session: Session, book_id: str, name: str | None) -> Bot:
    """The bot called `name`, or the book's first. Raises UnknownEntry, UnusableEntry."""
    bots = [_bot(chunk) for chunk in latest(session, book_id, "bot")] or list(library.default_bots())
    found = bots[0] if name is None else library.named(bots, name)
    if found is None:
        raise UnknownEntry("bot", name, [bot.name for bot in bots])
    return found


def choose_task(session: Session, book_id: str, name: str | None, job_type: str, mode: str) -> Task:
    """The task called `name`, or the book's first that applies to this type and mode. Raises like `choose_bot`."""
    tasks = [_task(chunk) for chunk in latest(session, book_id, "task")] or list(library.default_tasks())
    fitting = [task for task in tasks if task.applies_to(job_type, mode)]
    found = library.named(fitting, name) if name is not None else next(iter(fitting), None)
    if found is None:
        raise UnknownEntry("task", name, [task.name for task in fitting])
    return found


def _bot(chunk: Chunk) -> Bot:
    try:
        return Bot.model_validate({**_known(chunk, Bot), "prompt": chunk.text})
    except ValidationError as error:
        raise UnusableEntry(chunk, _reason(error)) from error


def _task(chunk: Chunk) -> Task:
    try:
        return Task.model_validate({**_known(chunk, Task), "prompt": chunk.text})
    except ValidationError as error:
        raise UnusableEntry(chunk, _reason(error)) from error


def _known(chunk: Chunk, model: type[Bot] | type[Task]) -> dict[str, object]:
    return {name: value for name, value in chunk.props.items() if name in model.model_fields}


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
