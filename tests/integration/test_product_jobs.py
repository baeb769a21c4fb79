"""The jobs of the product on a real worker: from a brief to a book, and what happens when something is missing."""

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from bookbot_worker.books.library import default_bots, default_tasks
from bookbot_worker.jobs.versions import add_chunk, add_version
from bookbot_worker.llm.client import Prompt
from shared.control import retry_job
from shared.enqueue import create_job
from shared.models import Chunk, Job, JobDependency, OutputFile
from shared.settings import Settings
from tests.support.product import BRIEF, AuthorWith, chunks, enqueue, work
from tests.support.running import lines, row

pytestmark = pytest.mark.integration


def test_the_demo_job_logs_and_completes(settings: Settings, session: Session, engine: Engine) -> None:
    job = create_job(job_type="demo", props={"steps": 3, "seconds": 0}, session=session)
    session.commit()
    work(settings)
    done = row(engine, job.job_id)
    assert (done.state, done.progress, done.result) == ("completed", 1.0, {"steps": 3})
    assert [line for line in lines(engine, job.job_id) if line.startswith("step")] == [
        f"step {n} of 3" for n in (1, 2, 3)
    ]


def test_a_foundation_has_everything_scenes_need(engine: Engine, book_id: str, foundation: str) -> None:
    job = row(engine, foundation)
    assert job.state == "completed", job.error_message
    scenes = chunks(engine, book_id, "scene")
    assert job.result == {"chapters": scenes[-1].chapter, "scenes": len(scenes), "new_scenes": len(scenes)}
    assert [scene.props["scene"] for scene in scenes] == list(range(1, len(scenes) + 1))
    assert all(scene.text == "" and scene.props["title"] and scene.props["characters"] for scene in scenes)
    (outline,) = chunks(engine, book_id, "outline")
    assert all(f"[[Scene {scene.props['scene']}]]" in outline.text for scene in scenes)
    (characters,), (settings,) = chunks(engine, book_id, "characters"), chunks(engine, book_id, "settings")
    assert "## Ines" in characters.text
    assert all(f"## {place}" in settings.text for scene in scenes for place in scene.props["settings"])
    assert chunks(engine, book_id, "brief")[0].text == BRIEF
    for type_, defaults in (("bot", default_bots()), ("task", default_tasks())):
        assert [chunk.props["name"] for chunk in chunks(engine, book_id, type_)] == [known.name for known in defaults]
    assert all(chunk.job_id == foundation for chunk in [*scenes, outline, characters, settings])


def test_laying_the_foundation_again_keeps_scenes_and_what_was_written(
    settings: Settings, session: Session, engine: Engine, book_id: str, foundation: str
) -> None:
    before = chunks(engine, book_id, "scene")
    first = session.scalars(select(Chunk).filter_by(chunk_id=before[0].chunk_id, is_latest=True)).one()
    add_version(session, first, "Written by hand.", job_id=None)
    again = enqueue(session, "create_foundation", book_id)
    work(settings)
    assert row(engine, again).state == "completed"
    assert row(engine, foundation).state == "completed"
    after = chunks(engine, book_id, "scene")
    assert [scene.chunk_id for scene in after] == [scene.chunk_id for scene in before]
    assert (after[0].text, after[0].version) == ("Written by hand.", 2)
    assert all(scene.version == 1 for scene in after[1:])
    for type_ in ("brief", "outline", "task", "bot"):
        assert {chunk.version for chunk in chunks(engine, book_id, type_)} == {1}


def test_a_new_outline_moves_scenes_and_leaves_removed_ones(
    settings: Settings, session: Session, engine: Engine, book_id: str, foundation: str
) -> None:
    assert row(engine, foundation).state == "completed"
    before = chunks(engine, book_id, "scene")
    new_outline = "## Chapter 1: Anew\n### Two [[Scene 2]]\nx\n### Ninety [[Scene 90]]\ny"
    again = enqueue(session, "create_foundation", book_id)
    work(
        settings, AuthorWith(lambda prompt: new_outline if "Plan the outline" in prompt.messages[-1].content else None)
    )
    assert row(engine, again).result == {"chapters": 1, "scenes": 2, "new_scenes": 1}
    after = {scene.props["scene"]: scene for scene in chunks(engine, book_id, "scene")}
    assert set(after) == {scene.props["scene"] for scene in before} | {90}
    assert (after[2].props["title"], after[2].position, after[2].version) == ("Two", 1.0, 2)
    assert after[2].chunk_id == before[1].chunk_id
    assert after[1].version == 1


def test_no_brief_is_a_failure_that_says_so(settings: Settings, session: Session, engine: Engine, book_id: str) -> None:
    job_id = enqueue(session, "create_foundation", book_id)
    work(settings)
    job = row(engine, job_id)
    assert job.state == "failed"
    assert "no brief" in str(job.error_message)
    assert chunks(engine, book_id, "bot") == []


def test_an_outline_without_scenes_is_a_failure_and_nothing_is_kept(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    job_id = enqueue(session, "create_foundation", book_id, props={"brief": BRIEF})
    work(settings, AuthorWith(lambda _prompt: "I would rather talk about the weather."))
    job = row(engine, job_id)
    assert job.state == "failed"
    assert "no scenes" in str(job.error_message)
    assert chunks(engine, book_id, "brief") == []


def test_a_scene_is_written_as_a_new_version(
    settings: Settings, session: Session, engine: Engine, book_id: str, foundation: str
) -> None:
    assert row(engine, foundation).state == "completed"
    scene = chunks(engine, book_id, "scene")[1]
    props = {"target_words": 200, "bot": "minimalist", "task": "Write scene on its own"}
    job_id = enqueue(session, "generate_chunk", book_id, chunk_id=scene.chunk_id, props=props)
    author = AuthorWith(lambda _prompt: None)
    work(settings, author)
    written = chunks(engine, book_id, "scene")[1]
    job = row(engine, job_id)
    assert job.state == "completed", job.error_message
    assert job.result == {"words": written.word_count, "version": 2}
    assert written.word_count == pytest.approx(200, rel=0.15)
    assert (written.version, written.job_id, written.is_latest) == (2, job_id, True)
    assert written.props == scene.props | {
        "provider": "offline",
        "model": "offline-author-1",
        "mode": "write",
        "target_words": 200,
    }
    (prompt,) = author.prompts
    assert (prompt.max_words, prompt.temperature) == (200, 0.7)
    assert f"[[Scene {scene.props['scene']}]]" in prompt.messages[1].content
    assert "THE SCENE BEFORE" not in prompt.messages[1].content
    with Session(engine) as session:
        versions = session.scalars(select(Chunk.is_latest).filter_by(chunk_id=scene.chunk_id).order_by(Chunk.version))
        assert list(versions) == [False, True]


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"bot": "Nobody"}, "no bot called 'Nobody'; it has: Novelist, Minimalist,"),
        ({"task": "Dance"}, "no task called 'Dance'; it has: Write scene,"),
    ],
)
def test_an_unknown_bot_or_task_is_a_failure_that_names_the_known(
    settings: Settings, session: Session, engine: Engine, book_id: str, props: dict[str, str], message: str
) -> None:
    scene = add_chunk(session, book_id, "scene", "", job_id=None)
    session.flush()
    job_id = enqueue(session, "generate_chunk", book_id, chunk_id=scene.chunk_id, props=props)
    work(settings)
    job = row(engine, job_id)
    assert job.state == "failed"
    assert message in str(job.error_message)


def test_a_faulty_task_is_a_failure_that_says_where(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    scene = add_chunk(session, book_id, "scene", "", job_id=None)
    add_chunk(session, book_id, "task", "Write {{ Breif }}.", job_id=None, props={"name": "Mine"})
    session.flush()
    job_id = enqueue(session, "generate_chunk", book_id, chunk_id=scene.chunk_id)
    work(settings)
    job = row(engine, job_id)
    assert job.state == "failed"
    assert "line 1, column 7" in str(job.error_message)


def test_only_scenes_are_written(settings: Settings, session: Session, engine: Engine, book_id: str) -> None:
    brief = add_chunk(session, book_id, "brief", BRIEF, job_id=None)
    session.flush()
    job_id = enqueue(session, "generate_chunk", book_id, chunk_id=brief.chunk_id)
    work(settings)
    assert row(engine, job_id).state == "failed"
    assert len(chunks(engine, book_id, "brief")) == 1


def test_an_empty_answer_is_tried_again_with_a_new_question(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    scene = add_chunk(session, book_id, "scene", "", job_id=None)
    session.flush()
    job_id = enqueue(session, "generate_chunk", book_id, chunk_id=scene.chunk_id, max_attempts=1)
    answers = iter([" \n", "It rained."])
    author = AuthorWith(lambda _prompt: next(answers))
    work(settings, author)
    job = row(engine, job_id)
    assert job.state == "error"
    assert "answered with nothing" in str(job.error_message)
    assert chunks(engine, book_id, "scene")[0].version == 1
    retry_job(job_id, session=session)
    session.commit()
    work(settings, author)
    assert row(engine, job_id).state == "completed", row(engine, job_id).error_message
    assert chunks(engine, book_id, "scene")[0].text == "It rained."


def test_a_book_is_written_in_order_and_exported(
    settings: Settings, session: Session, engine: Engine, book_id: str, foundation: str
) -> None:
    assert row(engine, foundation).state == "completed"
    job_id = enqueue(session, "generate_book", book_id, props={"target_words": 120})
    work(settings)
    job = row(engine, job_id)
    scenes = chunks(engine, book_id, "scene")
    assert job.state == "completed", job.error_message
    assert job.result is not None
    assert (job.result["scenes"], job.result["words"]) == (len(scenes), sum(scene.word_count for scene in scenes))
    assert all(scene.word_count > 90 for scene in scenes)
    files = session.scalars(select(OutputFile).filter_by(book_id=book_id)).all()
    assert {file["file_id"] for file in job.result["files"]} == {file.file_id for file in files}
    assert {file["format"] for file in job.result["files"]} == {"epub", "markdown"}
    order = session.scalars(
        select(Job.chunk_id).filter_by(parent_job_id=job_id, job_type="generate_chunk").order_by(Job.completed_at)
    ).all()
    assert order == [scene.chunk_id for scene in scenes]


def test_scenes_do_not_wait_for_each_other_where_the_task_needs_no_scene_before(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    scenes = [add_chunk(session, book_id, "scene", "", job_id=None, position=float(n)) for n in (1, 2, 3)]
    add_chunk(session, book_id, "task", "Write a scene. {{ Brief }}", job_id=None, props={"name": "Alone"})
    session.flush()
    job_id = enqueue(session, "generate_book", book_id, props={"export_formats": []})
    work(settings)
    assert row(engine, job_id).state == "completed"
    children = session.scalars(select(Job.job_id).filter_by(parent_job_id=job_id)).all()
    assert len(children) == len(scenes)
    assert session.scalars(select(JobDependency).where(JobDependency.job_id.in_(children))).all() == []


def test_what_is_written_stays_and_a_book_without_formats_ends_there(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    add_chunk(session, book_id, "scene", "Mine.", job_id=None, position=1.0)
    job_id = enqueue(session, "generate_book", book_id, props={"export_formats": []})
    work(settings)
    assert row(engine, job_id).result == {"scenes": 1, "words": 1, "files": []}
    assert chunks(engine, book_id, "scene")[0].text == "Mine."


def test_a_book_without_scenes_says_what_to_run_first(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    job_id = enqueue(session, "generate_book", book_id)
    work(settings)
    assert row(engine, job_id).state == "failed"
    assert "create_foundation" in str(row(engine, job_id).error_message)


def test_scenes_that_were_not_written_are_counted_and_a_retry_writes_only_those(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    for number in (1, 2, 3):
        add_chunk(session, book_id, "scene", "", job_id=None, position=float(number))
    session.flush()
    job_id = enqueue(session, "generate_book", book_id, props={"target_words": 60, "export_formats": ["markdown"]})
    answers = iter(["The first scene."])

    def change(_prompt: Prompt) -> str:
        for answer in answers:
            return answer
        raise RuntimeError("the LLM fell over")

    work(settings, AuthorWith(change))
    failed = row(engine, job_id)
    assert failed.state == "failed"
    assert failed.error_message == (
        "2 of 3 scenes were not written (RuntimeError: the LLM fell over); retry this job to write only those."
    )
    retry_job(job_id, session=session)
    session.commit()
    work(settings)
    done = row(engine, job_id)
    assert done.state == "completed", done.error_message
    texts = [scene.text for scene in chunks(engine, book_id, "scene")]
    assert texts[0] == "The first scene."
    assert all(texts)
