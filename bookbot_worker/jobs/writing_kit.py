"""A book's bots and tasks as jobs use them: its own chunks, or the defaults where it has none.

Owns turning chunks into checked entries, choosing one by name or mode, and which model it goes to.
"""

from collections.abc import Iterator, Sequence

from pydantic import ValidationError
from sqlalchemy.orm import Session

from bookbot_worker.books import library
from bookbot_worker.books.library import Bot, Task
from bookbot_worker.books.models import choose_model
from bookbot_worker.books.template import Fault, lint
from bookbot_worker.jobs.versions import latest
from shared.errors import BookbotError
from shared.models import Book, Chunk
from shared.settings import load_settings


class UnknownEntry(BookbotError):
    """The book has no bot or task that fits; the text names those it has."""

    def __init__(self, kind: str, name: str | None, known: Sequence[str]) -> None:
        wanted = f"called {name!r}" if name is not None else "for this job"
        super().__init__(f"The book has no {kind} {wanted}; it has: {', '.join(known) or 'none'}.")


class UnusableEntry(BookbotError):
    """A bot or task of the book cannot be used; the text says why."""

    def __init__(self, chunk: Chunk, reason: str) -> None:
        super().__init__(f"The {chunk.type} {str(chunk.props.get('name', chunk.chunk_id))!r} cannot be used: {reason}.")


def bots_of(session: Session, book_id: str) -> list[Bot]:
    """The book's bots in their order, the defaults where it has none of its own. Raises UnusableEntry."""
    return [_bot(chunk) for chunk in latest(session, book_id, "bot")] or list(library.default_bots())


def tasks_of(session: Session, book_id: str) -> list[Task]:
    """The book's tasks in their order, the defaults where it has none of its own. Raises UnusableEntry."""
    return [_task(chunk) for chunk in latest(session, book_id, "task")] or list(library.default_tasks())


def choose_bot(session: Session, book_id: str, name: str | None, mode: str) -> Bot:
    """The bot called `name`, or the book's first that is for this mode, or else the first default one.

    Raises UnknownEntry, UnusableEntry.
    """
    bots = bots_of(session, book_id)
    if name is not None:
        found = library.named(bots, name)
    else:
        found = next((bot for bot in [*bots, *library.default_bots()] if bot.suits(mode)), None)
    if found is None:
        raise UnknownEntry("bot", name, [bot.name for bot in bots])
    return found


def choose_task(session: Session, book_id: str, name: str | None, job_type: str, mode: str) -> Task:
    """The task called `name`, or the book's first that applies to this type and mode. Raises like `choose_bot`.

    Where the book has no task for the mode, as one from before there were modes, it is one of the defaults.
    """
    own, defaults = (
        [task for task in tasks if task.applies_to(job_type, mode)]
        for tasks in (tasks_of(session, book_id), library.default_tasks())
    )
    fitting = own or defaults
    found = library.named(fitting, name) if name is not None else next(iter(fitting), None)
    if found is None:
        raise UnknownEntry("task", name, [task.name for task in fitting])
    return found


def model_for(session: Session, book_id: str, group: str, of_job: str | None, of_bot: str | None = None) -> str | None:
    """The model a prompt of this book goes to; see `choose_model`. Raises ConfigurationError for wrong settings."""
    book = session.get(Book, book_id)
    return choose_model(
        group,
        of_job=of_job,
        of_bot=of_bot,
        of_book=book.props.get("models") if book else None,
        of_settings=load_settings().llm_models,
    )


def faults_of_kit(session: Session, book_id: str) -> Iterator[tuple[str, Fault]]:
    """All that is wrong with the book's bots and tasks, each with whose it is; warnings too."""
    for chunk in latest(session, book_id, "bot", "task"):
        owner = f"{chunk.type} {str(chunk.props.get('name', chunk.chunk_id))!r}"
        faults = lint(chunk.text) if chunk.type == "task" else []
        yield from ((owner, fault) for fault in faults)
        try:
            (_bot if chunk.type == "bot" else _task)(chunk)
        except UnusableEntry as error:
            if all(fault.is_warning for fault in faults):
                yield owner, Fault(1, 1, str(error))


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
