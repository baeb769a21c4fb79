"""`create_foundation`: from a brief and a style to an outline, characters, settings, and one empty chunk per scene.

Owns the order of the questions to the LLM and what becomes of the answers. All reading comes before the first
question and all adding after the last, so that no connection is held while the LLM answers, and a job that runs
again finds the book as it was.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from bookbot_worker.books import library, outline, template
from bookbot_worker.books.outline import Chapter, Outline, Scene
from bookbot_worker.jobs.base import BookJob
from bookbot_worker.jobs.job_llm import JobLLM, Log
from bookbot_worker.jobs.versions import POSITIONS, add_chunk, add_version, latest
from bookbot_worker.llm.client import Message, Prompt
from bookbot_worker.outcomes import Retry
from shared.job_types import CreateFoundationProps
from shared.models import Chunk, Job

_SYSTEM = "You plan novels with an author. You answer in exactly the form that is asked for, and with nothing else."


class CreateFoundationJob(BookJob):
    """The class around `run_create_foundation_job`."""

    def execute(self) -> bool:
        """See `run_create_foundation_job`."""
        return run_create_foundation_job(self.session, self.job, self.props, self.log, self.llm)


def run_create_foundation_job(
    session: Session, job: Job, props: CreateFoundationProps, log_callback: Log, llm: JobLLM
) -> bool:
    """Lay the book's foundation; running it again changes only what came out differently.

    Scenes keep their chunk, with its text, as long as the outline has their number; scenes no longer in the outline
    stay as they are. False, with a message on the job, where there is no brief, or an outline without a scene.
    Raises Retry where the LLM answers with nothing.
    """
    book_id = job.book_id or ""
    chunks = {chunk.type: chunk for chunk in latest(session, book_id, *POSITIONS)}
    scenes = {chunk.props.get("scene"): chunk for chunk in latest(session, book_id, "scene")}
    own = {chunk.type for chunk in latest(session, book_id, "bot", "task")}
    brief = props.brief or (chunks["brief"].text if "brief" in chunks else "")
    style = props.style or (chunks["style"].text if "style" in chunks else "")
    if not brief.strip():
        return _fail(job, log_callback, "The book has no brief: give one in props, or save one with the book first.")

    values = {"Brief": brief, "Style": style}
    log_callback("asking for an outline")
    planned = outline.parse(_ask(llm, "outline", values))
    if not planned.scenes:
        return _fail(
            job,
            log_callback,
            'The LLM\'s outline has no scenes ("### Title" under "## Chapter n: Title"): '
            "retry, make the brief more detailed, or use another model.",
        )
    log_callback(f"the outline has {len(planned.scenes)} scenes in {len(planned.chapters)} chapters")
    values["OutlineSection"] = planned.text
    log_callback("asking for characters")
    characters = _ask(llm, "characters", values)
    log_callback("asking for settings")
    settings = _ask(llm, "settings", values)

    texts = {
        "brief": brief,
        "style": style,
        "outline": planned.text,
        "characters": characters,
        "settings": settings,
    }
    for kind, text in texts.items():
        _save(session, job, kind, text, chunks.get(kind))
    added = _save_scenes(session, job, planned, scenes)
    if "bot" not in own:
        _save_bots(session, job)
    if "task" not in own:
        _save_tasks(session, job)
    job.result = {"chapters": len(planned.chapters), "scenes": len(planned.scenes), "new_scenes": added}
    log_callback(f"the foundation is laid: {len(planned.scenes)} scenes, {added} of them new")
    return True


def _fail(job: Job, log_callback: Log, message: str) -> bool:
    job.error_message = message
    log_callback(message, "ERROR")
    return False


def _ask(llm: JobLLM, name: library.PromptName, values: Mapping[str, str]) -> str:
    question = template.render(library.prompt(name), values)
    text = llm.complete(Prompt((Message("system", _SYSTEM), Message("user", question)))).text.strip()
    if not text:
        raise Retry(f"the LLM answered the question for {name} with nothing")
    return text


def _save(session: Session, job: Job, kind: str, text: str, known: Chunk | None) -> None:
    if known is None:
        if text.strip():
            add_chunk(session, job.book_id or "", kind, text, job_id=job.job_id, position=POSITIONS[kind])
    elif known.text != text:
        add_version(session, known, text, job_id=job.job_id)


def _save_scenes(session: Session, job: Job, planned: Outline, known: Mapping[Any, Chunk]) -> int:
    """One chunk for each scene of the outline; returns how many are new."""
    added = 0
    placed: Sequence[tuple[Chapter, Scene]] = [
        (chapter, scene) for chapter in planned.chapters for scene in chapter.scenes
    ]
    for position, (chapter, scene) in enumerate(placed, 1):
        props = {
            "scene": scene.id,
            "title": scene.title,
            "chapter_title": chapter.title,
            "characters": list(scene.characters),
            "settings": list(scene.settings),
        }
        chunk = known.get(scene.id)
        if chunk is None:
            add_chunk(
                session,
                job.book_id or "",
                "scene",
                "",
                job_id=job.job_id,
                position=float(position),
                chapter=chapter.number,
                props=props,
            )
            added += 1
        elif _is_moved(chunk, position, chapter.number, props):
            add_version(
                session,
                chunk,
                chunk.text,
                job_id=job.job_id,
                props=props,
                position=float(position),
                chapter=chapter.number,
            )
    return added


def _is_moved(chunk: Chunk, position: float, chapter: int, props: Mapping[str, Any]) -> bool:
    """Whether the outline says something about the scene that its chunk does not."""
    said = {name: chunk.props.get(name) for name in props}
    return (chunk.position, chunk.chapter, said) != (float(position), chapter, props)


def _save_bots(session: Session, job: Job) -> None:
    for index, bot in enumerate(library.default_bots()):
        props = bot.model_dump(mode="json", exclude={"prompt"}, exclude_none=True)
        add_chunk(
            session, job.book_id or "", "bot", bot.prompt, job_id=job.job_id, position=-200.0 + index, props=props
        )


def _save_tasks(session: Session, job: Job) -> None:
    for index, task in enumerate(library.default_tasks()):
        props = task.model_dump(mode="json", exclude={"prompt"})
        add_chunk(
            session, job.book_id or "", "task", task.prompt, job_id=job.job_id, position=-100.0 + index, props=props
        )
