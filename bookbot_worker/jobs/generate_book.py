"""`generate_book`: every scene of a book, then its exports, each as a job of its own.

Owns the three phases and what counts as done. It writes nothing itself: between the phases it ends, and is started
again when its children have ended. The phase is kept in `job.result`, which outlives that.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from bookbot_worker.books import template
from bookbot_worker.jobs.base import BaseJob
from bookbot_worker.jobs.versions import latest
from bookbot_worker.jobs.writing_kit import UnknownEntry, UnusableEntry, choose_task
from shared.enqueue import NewJob
from shared.models import Chunk, Job
from shared.states import JobState


class GenerateBookJob(BaseJob):
    """None → "writing" → "exporting" → `result` with scenes, words and files. A manual retry starts at None."""

    def execute(self) -> bool:
        """True when all is written and exported; False where a child did not complete. Raises AwaitJobs between."""
        if self.job.book_id is None:
            return self._fail("This job needs a book_id.")
        phase = self.job.result or {}
        match phase.get("phase"):
            case "writing":
                return self._after_writing(phase)
            case "exporting":
                return self._after_exporting(phase)
            case _:
                return self._begin()

    def _begin(self) -> bool:
        scenes = self._scenes()
        if not scenes:
            return self._fail("The book has no scenes yet; run create_foundation first.")
        due = [scene for scene in scenes if not (self.props.only_empty and scene.text.strip())]
        self.log(f"{len(due)} of {len(scenes)} scenes are to be written")
        if not due:
            return self._export()
        try:
            task = choose_task(self.session, self.job.book_id or "", None, "generate_chunk", self.props.mode)
        except (UnknownEntry, UnusableEntry) as error:
            return self._fail(str(error))
        jobs = self._enqueue_scenes(due, is_chain="PreviousChunk" in template.uses(task.prompt))
        return self._await("writing", jobs, f"writing {_scenes(len(due))}")

    def _enqueue_scenes(self, due: Sequence[Chunk], *, is_chain: bool) -> list[Job]:
        """One job per scene; in a chain each starts when the scene before it is written."""
        props: dict[str, Any] = {"mode": self.props.mode, "target_words": self.props.target_words}
        if self.props.model is not None:
            props["model"] = self.props.model
        new_jobs: list[NewJob] = []
        for scene in due:
            new_jobs.append(
                NewJob(
                    "generate_chunk",
                    book_id=self.job.book_id,
                    chunk_id=scene.chunk_id,
                    props=props,
                    queue=self.job.queue,
                    priority=self.job.priority,
                    parent_job_id=self.job.job_id,
                    depends_on=[new_jobs[-1].job_id] if is_chain and new_jobs else [],
                )
            )
        return self.create_jobs(new_jobs)

    def _after_writing(self, phase: dict[str, Any]) -> bool:
        children = self._children(phase)
        if lost := [child for child in children if child.state != JobState.COMPLETED]:
            reason = _first_reason(lost)
            were = "was" if len(lost) == 1 else "were"
            return self._fail(
                f"{len(lost)} of {_scenes(len(phase['job_ids']))} {were} not written{reason}; "
                + ("retry this job to write only those." if self.props.only_empty else "retry this job to write again.")
            )
        return self._export()

    def _export(self) -> bool:
        if not self.props.export_formats:
            return self._done([])
        jobs = self.create_jobs(
            [
                NewJob(
                    "export_book",
                    book_id=self.job.book_id,
                    props={"format": format_},
                    queue=self.job.queue,
                    priority=self.job.priority,
                    parent_job_id=self.job.job_id,
                )
                for format_ in self.props.export_formats
            ]
        )
        return self._await("exporting", jobs, f"exporting as {', '.join(self.props.export_formats)}")

    def _after_exporting(self, phase: dict[str, Any]) -> bool:
        children = self._children(phase)
        if lost := [child for child in children if child.state != JobState.COMPLETED]:
            formats = ", ".join(str(child.props.get("format", "epub")) for child in lost)
            return self._fail(f"The export as {formats} failed{_first_reason(lost)}; retry this job to export again.")
        return self._done([_file(child) for child in children])

    def _await(self, phase: str, jobs: Sequence[Job], reason: str) -> bool:
        job_ids = [job.job_id for job in jobs]
        self.job.result = {"phase": phase, "job_ids": job_ids}
        self.log(reason, jobs=len(job_ids))
        self.await_jobs(job_ids, reason)

    def _done(self, files: list[dict[str, Any]]) -> bool:
        scenes = self._scenes()
        words = sum(scene.word_count for scene in scenes)
        self.job.result = {"scenes": len(scenes), "words": words, "files": files}
        self.progress(1.0, f"{_scenes(len(scenes))}, {words} words, {len(files)} files")
        self.log(f"the book is done: {_scenes(len(scenes))}, {words} words, {len(files)} files")
        return True

    def _scenes(self) -> Sequence[Chunk]:
        return latest(self.session, self.job.book_id or "", "scene")

    def _children(self, phase: dict[str, Any]) -> Sequence[Job]:
        """The jobs this phase waited for, in the order they were made."""
        return self.session.scalars(select(Job).where(Job.job_id.in_(phase["job_ids"])).order_by(Job.job_id)).all()

    def _fail(self, message: str) -> bool:
        self.job.error_message = message
        self.log(message, "ERROR")
        return False


def _scenes(count: int) -> str:
    return "1 scene" if count == 1 else f"{count} scenes"


def _first_reason(lost: Sequence[Job]) -> str:
    """Why the first of these did not complete, as an insertion; those called off because of others are no reason."""
    causes = [child for child in lost if child.state != JobState.CANCELLED] or list(lost)
    message = (causes[0].error_message or causes[0].state).split("\n")[0]
    return f" ({message[:300].rstrip('.')})"


def _file(child: Job) -> dict[str, Any]:
    result = child.result or {}
    return {"file_id": result.get("file_id"), "name": result.get("name"), "format": child.props.get("format", "epub")}
