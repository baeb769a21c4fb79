"""Which scenes a `generate_book` job still has to do, and which of them a child is already at.

Owns the decision, over plain rows, and the one query that reads the children.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.models import Chunk, Job
from shared.states import ACTIVE, JobState


@dataclass(frozen=True, slots=True)
class Plan:
    """The scenes due, in reading order, each with the id of the child that waits or runs for it, None where none."""

    due: tuple[tuple[Chunk, str | None], ...]

    @property
    def count(self) -> int:
        """How many scenes are due."""
        return len(self.due)


@dataclass(frozen=True, slots=True)
class SceneJobs:
    """What the children of one job did about one scene: whether one completed, and which one is active."""

    is_done: bool = False
    active: str | None = None


def scene_jobs_of(session: Session, job_id: str) -> dict[str, SceneJobs]:
    """The scene jobs that `job_id` started so far, by chunk."""
    query = (
        select(Job.chunk_id, Job.job_id, Job.state)
        .where(Job.parent_job_id == job_id, Job.job_type == "generate_chunk")
        .order_by(Job.job_id)
    )
    found: dict[str, SceneJobs] = {}
    for chunk_id, child, state in session.execute(query):
        if chunk_id is None:
            continue
        known = found.get(chunk_id, SceneJobs())
        found[chunk_id] = SceneJobs(
            is_done=known.is_done or state == JobState.COMPLETED, active=child if state in ACTIVE else known.active
        )
    return found


def plan_scenes(scenes: Sequence[Chunk], jobs: Mapping[str, SceneJobs], mode: str, only_empty: bool | None) -> Plan:
    """What is due of `scenes`: in mode write the empty ones, or all where `only_empty` is False; else the written ones.

    What a child of this job completed is done, whatever became of the scene since; but a scene that has to be written
    because it is empty is due again when somebody emptied it.
    """
    is_for_empty = mode == "write" and only_empty is not False

    def is_due(scene: Chunk) -> bool:
        if is_for_empty:
            return not scene.text.strip()
        return (mode == "write" or bool(scene.text.strip())) and not jobs.get(scene.chunk_id, SceneJobs()).is_done

    return Plan(tuple((scene, jobs.get(scene.chunk_id, SceneJobs()).active) for scene in scenes if is_due(scene)))


def needs_order(mode: str, variables: Collection[str]) -> bool:
    """Whether the scenes must be done one after another: the task sees its neighbours, and this mode changes them."""
    return mode != "review" and not {"PreviousChunk", "NextChunk"}.isdisjoint(variables)
