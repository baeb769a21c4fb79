"""`generate_book`: every scene of a book, then its exports, each as a job of its own.

Owns the three phases; which scenes are due is in `due_scenes.py`. It writes nothing itself: between the phases it ends,
and is started again when its children have ended. The phase is kept in `job.result`, which outlives that.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from bookbot_worker.books import template
from bookbot_worker.jobs.base import BaseJob
from bookbot_worker.jobs.due_scenes import Plan, needs_order, plan_scenes, scene_jobs_of
from bookbot_worker.jobs.versions import latest
from bookbot_worker.jobs.writing_kit import UnknownEntry, UnusableEntry, choose_bot, choose_task
from shared.enqueue import NewJob
from shared.models import Chunk, Job
from shared.states import JobState

_PASSED_ON = ("mode", "target_words", "model", "bot", "task")


class GenerateBookJob(BaseJob):
    """None → "writing" → "exporting" → `result` with scenes, words and files. A manual retry starts at None.

    One such job does each scene once: what a child of it completed is not done again by a retry.
    """

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
        book_id, mode = self.job.book_id or "", self.props.mode
        scenes = self._scenes()
        if not scenes:
            return self._fail("The book has no scenes yet; run create_foundation first.")
        plan = plan_scenes(scenes, scene_jobs_of(self.session, self.job.job_id), mode, self.props.only_empty)
        if mode != "write" and not any(scene.text.strip() for scene in scenes):
            return self._fail(f"All scenes of the book are empty, so there is nothing to {mode}; write them first.")
        self.log(f"{plan.count} of {len(scenes)} scenes are to be {_PAST[mode]}")
        if not plan.count:
            return self._export()
        try:
            choose_bot(self.session, book_id, self.props.bot, mode)
            task = choose_task(self.session, book_id, self.props.task, "generate_chunk", mode)
        except (UnknownEntry, UnusableEntry) as error:
            return self._fail(str(error))
        job_ids = self._enqueue_scenes(plan, is_chain=needs_order(mode, template.uses(task.prompt)))
        return self._await("writing", job_ids, f"{_PRESENT[mode]} {_scenes(plan.count)}")

    def _enqueue_scenes(self, plan: Plan, *, is_chain: bool) -> list[str]:
        """One job per scene, but for those that have one; in a chain each starts when the one before it is done."""
        given = self.props.model_dump(mode="json", exclude_unset=True)
        props = {name: given[name] for name in _PASSED_ON if given.get(name) is not None}
        new_jobs: list[NewJob] = []
        job_ids: list[str] = []
        for scene, active in plan.due:
            if active is None:
                new_jobs.append(
                    NewJob(
                        "generate_chunk",
                        book_id=self.job.book_id,
                        chunk_id=scene.chunk_id,
                        props=props,
                        queue=self.job.queue,
                        priority=self.job.priority,
                        parent_job_id=self.job.job_id,
                        depends_on=job_ids[-1:] if is_chain else [],
                    )
                )
            job_ids.append(active or new_jobs[-1].job_id)
        self.create_jobs(new_jobs)
        return job_ids

    def _after_writing(self, phase: dict[str, Any]) -> bool:
        children = self._children(phase)
        if lost := [child for child in children if child.state != JobState.COMPLETED]:
            reason = _first_reason(lost)
            were = "was" if len(lost) == 1 else "were"
            return self._fail(
                f"{len(lost)} of {_scenes(len(phase['job_ids']))} {were} not {_PAST[self.props.mode]}{reason}; "
                f"retry this job to {self.props.mode} only those."
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
        formats = ", ".join(self.props.export_formats)
        return self._await("exporting", [job.job_id for job in jobs], f"exporting as {formats}")

    def _after_exporting(self, phase: dict[str, Any]) -> bool:
        children = self._children(phase)
        if lost := [child for child in children if child.state != JobState.COMPLETED]:
            formats = ", ".join(str(child.props.get("format", "epub")) for child in lost)
            return self._fail(f"The export as {formats} failed{_first_reason(lost)}; retry this job to export again.")
        return self._done([_file(child) for child in children])

    def _await(self, phase: str, job_ids: list[str], reason: str) -> bool:
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


_PRESENT = {
    "write": "writing",
    "rewrite": "rewriting",
    "edit": "editing",
    "copyedit": "copyediting",
    "review": "reviewing",
}
_PAST = {
    "write": "written",
    "rewrite": "rewritten",
    "edit": "edited",
    "copyedit": "copyedited",
    "review": "reviewed",
}


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
