"""`create_foundation`: from a brief and a style to an outline, characters, settings, and one empty chunk per scene.

Owns the order of the questions to the LLM and what becomes of the answers. All reading comes before the first
question and all adding after the last, so that no connection is held while the LLM answers, and a job that runs
again finds the book as it was.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from bookbot_worker.books import outline
from bookbot_worker.books.outline import Chapter, Outline, Scene
from bookbot_worker.jobs.base import BookJob
from bookbot_worker.jobs.job_llm import JobLLM, Log
from bookbot_worker.jobs.kit_chunks import add_default_kit
from bookbot_worker.jobs.planning import Planner
from bookbot_worker.jobs.versions import POSITIONS, add_chunk, add_version, latest
from bookbot_worker.jobs.whole_answers import UnfinishedAnswer
from bookbot_worker.jobs.writing_kit import model_for
from shared.job_types import CreateFoundationProps
from shared.models import Chunk, Job
from shared.settings import load_settings


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
    stay as they are. False, with a message on the job, where there is no brief, or no answer that can be used. Raises
    Retry where the LLM answers with nothing.
    """
    book_id = job.book_id or ""
    chunks = {chunk.type: chunk for chunk in latest(session, book_id, *POSITIONS)}
    scenes = {chunk.props.get("scene"): chunk for chunk in latest(session, book_id, "scene")}
    brief = props.brief or (chunks["brief"].text if "brief" in chunks else "")
    style = props.style or (chunks["style"].text if "style" in chunks else "")
    if not brief.strip():
        return _fail(job, log_callback, "The book has no brief: give one in props, or save one with the book first.")
    model = model_for(session, book_id, "planning", props.model)
    planner = Planner(llm, model, load_settings().llm_structured != "never", job.attempt)
    texts = {"brief": brief, "style": style}
    try:
        planned = _plan(planner, log_callback, texts)
    except UnfinishedAnswer as error:
        return _fail(job, log_callback, str(error))
    for kind, text in texts.items():
        _save(session, job, kind, text, chunks.get(kind), planned.tags if kind == "outline" else {})
    added = _save_scenes(session, job, planned, scenes)
    add_default_kit(session, book_id, job.job_id)
    job.result = {"chapters": len(planned.chapters), "scenes": len(planned.scenes), "new_scenes": added}
    log_callback(f"the foundation is laid: {len(planned.scenes)} scenes, {added} of them new")
    return True


def _fail(job: Job, log_callback: Log, message: str) -> bool:
    job.error_message = message
    log_callback(message, "ERROR")
    return False


def _plan(planner: Planner, log_callback: Log, texts: dict[str, str]) -> Outline:
    """The outline; it, characters and settings are added to `texts`, which holds brief and style. See `Planner.ask`."""
    values = {"Brief": texts["brief"], "Style": texts["style"]}
    log_callback("asking for an outline")
    planned = outline.parse(planner.ask("outline", values))
    log_callback(f"the outline has {len(planned.scenes)} scenes in {len(planned.chapters)} chapters")
    values["OutlineSection"] = texts["outline"] = planned.text
    log_callback("asking for characters")
    texts["characters"] = planner.ask("characters", values, planned.tags["characters"])
    log_callback("asking for settings")
    texts["settings"] = planner.ask("settings", values, planned.tags["settings"])
    return planned


def _save(session: Session, job: Job, kind: str, text: str, known: Chunk | None, props: Mapping[str, Any]) -> None:
    if known is None:
        if text.strip():
            place = POSITIONS[kind]
            add_chunk(session, job.book_id or "", kind, text, job_id=job.job_id, position=place, props=props)
    elif known.text != text:
        add_version(session, known, text, job_id=job.job_id, props=props)


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
