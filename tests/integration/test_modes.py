"""The modes of `generate_chunk`: what each makes of a scene, what it keeps, and what it refuses."""

from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from shared.database import read_only
from shared.models import Chunk, Job
from shared.settings import Settings
from shared.views import job_calls
from tests.support.product import AuthorWith, chunks, enqueue, work
from tests.support.running import row

pytestmark = pytest.mark.integration


class Scene:
    """The first scene of a book, and jobs for it."""

    def __init__(self, settings: Settings, session: Session, engine: Engine, book_id: str) -> None:
        self._settings, self._session, self._engine, self._book_id = settings, session, engine, book_id

    @property
    def chunk(self) -> Chunk:
        """As it is now."""
        return chunks(self._engine, self._book_id, "scene")[0]

    def do(self, mode: str, answer: str | None = None, **props: Any) -> tuple[Job, str]:
        """The job as it ended, and the question it asked; `answer` stands for the offline author's."""
        author = AuthorWith(lambda _prompt: answer)
        job_id = enqueue(
            self._session, "generate_chunk", self._book_id, chunk_id=self.chunk.chunk_id, props={"mode": mode} | props
        )
        work(self._settings, author)
        return row(self._engine, job_id), author.prompts[-1].messages[-1].content if author.prompts else ""


@pytest.fixture
def scene(settings: Settings, session: Session, engine: Engine, book_id: str, foundation: str) -> Scene:
    """A scene that is written."""
    assert row(engine, foundation).state == "completed"
    scene = Scene(settings, session, engine, book_id)
    job, _ = scene.do("write", target_words=300)
    assert job.state == "completed", job.error_message
    return scene


def test_a_scene_is_reviewed_edited_copyedited_and_rewritten(scene: Scene, engine: Engine) -> None:
    written = scene.chunk
    job, question = scene.do("review")
    reviewed = scene.chunk
    assert (reviewed.text, reviewed.version, reviewed.job_id) == (written.text, 3, job.job_id)
    assert reviewed.props["review"].startswith("- “")
    assert f"=== THE SCENE AS IT STANDS ===\n{written.text}" in question

    job, question = scene.do("edit")
    edited = scene.chunk
    assert reviewed.props["review"] in question
    assert (edited.version, edited.props["mode"]) == (4, "edit")
    assert "review" not in edited.props
    assert edited.text.split("\n\n")[0] == written.text.split("\n\n")[0]
    with Session(read_only(engine)) as looking:
        (call,) = job_calls(looking, job.job_id)
    assert call["request"]["messages"][-1]["content"] == question

    job, _ = scene.do("copyedit")
    assert (scene.chunk.text, scene.chunk.version) == (edited.text, 5)
    assert (scene.chunk.props["mode"], scene.chunk.props["copyedit_model"]) == ("copyedit", "offline-author-1")

    job, question = scene.do("rewrite")
    rewritten = scene.chunk
    assert f"Write about {edited.word_count} words." in question
    assert rewritten.word_count == pytest.approx(edited.word_count, rel=0.15)
    assert rewritten.text.split("\n\n")[0] != written.text.split("\n\n")[0]
    assert job.result == {"words": rewritten.word_count, "version": 6}
    assert rewritten.props["scene"] == written.props["scene"]


@pytest.mark.parametrize("mode", ["edit", "copyedit"])
def test_a_summary_does_not_replace_a_scene(scene: Scene, mode: str) -> None:
    before = scene.chunk
    job, _ = scene.do(mode, "Ines looks for the clock.")
    assert job.state == "failed"
    assert f"which is no {mode}: nothing was changed" in str(job.error_message)
    assert (scene.chunk.text, scene.chunk.version) == (before.text, before.version)


def test_the_wrapping_of_an_answer_does_not_get_into_the_book(scene: Scene) -> None:
    text = "It rained. " * 40
    title = scene.chunk.props["title"]
    job, _ = scene.do(
        "rewrite", f"Sure, here is the rewritten scene:\n\n## {title}\n\n{text}\n\nLet me know what you think!"
    )
    assert job.state == "completed", job.error_message
    assert scene.chunk.text == text.strip()
