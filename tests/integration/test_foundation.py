"""`create_foundation` and its conversation: JSON, JSON that is mended, Markdown, and a foundation that goes on."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bookbot_worker.books import library
from bookbot_worker.llm.client import Listener, Prompt
from bookbot_worker.llm.offline import OfflineAuthor
from bookbot_worker.llm.stub.faults import Fault, Rule
from bookbot_worker.outcomes import Retry
from shared.control import retry_job
from shared.models import Book
from shared.settings import Settings
from shared.views import job_calls
from tests.support.llm_stub import MODEL, client, llm_stub
from tests.support.product import BRIEF, AuthorWith, chunks, enqueue, work
from tests.support.running import lines, row

pytestmark = pytest.mark.integration

KINDS = ("outline", "characters", "settings")
NOT_JSON = "Certainly! The outline begins with {a clock} in Lisbon."


def asked_for(prompt: Prompt) -> str:
    """Which of the questions this is."""
    question = prompt.messages[1].content
    return next(kind for kind in KINDS if question.startswith(library.prompt(kind).split("\n")[0]))


def lay(
    settings: Settings, session: Session, engine: Engine, book_id: str, change: Callable[[Prompt], str | None]
) -> tuple[str, AuthorWith]:
    """A foundation by an author with these answers; it must succeed."""
    author = AuthorWith(change)
    job_id = enqueue(session, "create_foundation", book_id, props={"brief": BRIEF})
    work(settings, author)
    assert row(engine, job_id).state == "completed", row(engine, job_id).error_message
    scenes = chunks(engine, book_id, "scene")
    (outline,) = chunks(engine, book_id, "outline")
    assert scenes
    assert all(f"[[Scene {scene.props['scene']}]]" in outline.text and scene.text == "" for scene in scenes)
    assert "Ines" in outline.props["characters"]
    assert "## Ines" in chunks(engine, book_id, "characters")[0].text
    return job_id, author


def test_each_question_is_asked_once_as_json(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    _, author = lay(settings, session, engine, book_id, lambda _prompt: None)
    assert [asked_for(prompt) for prompt in author.prompts] == list(KINDS)
    assert [prompt.shape.name for prompt in author.prompts if prompt.shape] == list(KINDS)


def test_an_answer_with_faults_is_given_back_to_be_mended(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    def change(prompt: Prompt) -> str | None:
        if asked_for(prompt) == "outline" and len(prompt.messages) == 2:
            return '{"title": "The Clock", "chapters": [{"title": "One"}]}'
        return None

    job_id, author = lay(settings, session, engine, book_id, change)
    assert [asked_for(prompt) for prompt in author.prompts] == ["outline", *KINDS]
    mending = author.prompts[1]
    assert [message.role for message in mending.messages] == ["system", "user", "assistant", "user"]
    assert mending.messages[:2] == author.prompts[0].messages
    assert "- chapters.0.scenes: Field required" in mending.messages[3].content
    assert mending.shape == author.prompts[0].shape
    assert "the answer needs mending: chapters.0.scenes: Field required" in lines(engine, job_id)


def test_where_no_json_comes_markdown_is_asked_for(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    def change(prompt: Prompt) -> str | None:
        return NOT_JSON if prompt.shape is not None else None

    job_id, author = lay(settings, session, engine, book_id, change)
    assert [prompt.shape is None for prompt in author.prompts] == [False, False, False, True] * 3
    assert "no usable JSON for the outline; asking for Markdown" in lines(engine, job_id)


def test_a_model_that_answers_in_markdown_is_taken_at_its_word(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    """As one behind a server that knows no schemas, which the client then leaves out."""

    def change(prompt: Prompt) -> str | None:
        return markdown_for(prompt) if prompt.shape is not None else None

    _, author = lay(settings, session, engine, book_id, change)
    assert len(author.prompts) == 3


def test_plans_can_be_asked_for_as_markdown_at_once(
    settings: Settings, session: Session, engine: Engine, book_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKBOT_LLM_STRUCTURED", "never")
    _, author = lay(settings, session, engine, book_id, lambda _prompt: None)
    assert [prompt.shape for prompt in author.prompts] == [None] * 3


def test_whoever_the_sheets_forget_is_asked_for_and_at_last_done_without(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    sheet = {"also_called": [], "pronouns": "she/her", "description": "A baker.", "habit": "", "voice": ""}
    only_ines = json.dumps({"characters": [{"name": "Ines"} | sheet]})
    job_id, author = lay(
        settings, session, engine, book_id, lambda prompt: only_ines if asked_for(prompt) == "characters" else None
    )
    assert [asked_for(prompt) for prompt in author.prompts] == ["outline", *["characters"] * 3, "settings"]
    assert "- there is no section for Paulo" in author.prompts[2].messages[3].content
    assert any("used although there is no section for Paulo" in line for line in lines(engine, job_id))


def test_an_interrupted_foundation_goes_on_where_it_was(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    is_well = False

    def change(prompt: Prompt) -> str | None:
        if asked_for(prompt) == "outline" and len(prompt.messages) == 2:
            return NOT_JSON
        if asked_for(prompt) == "settings" and not is_well:
            raise Retry("the line is dead")
        return None

    author = AuthorWith(change)
    job_id = enqueue(session, "create_foundation", book_id, props={"brief": BRIEF}, max_attempts=1)
    work(settings, author)
    assert row(engine, job_id).state == "error"
    assert chunks(engine, book_id, "scene") == []
    is_well = True
    retry_job(job_id, session=session)
    session.commit()
    work(settings, author)
    assert row(engine, job_id).state == "completed", row(engine, job_id).error_message
    assert [asked_for(prompt) for prompt in author.prompts] == ["outline", "outline", "characters", *["settings"] * 2]
    calls = job_calls(session, job_id)
    assert [call["status"] for call in calls] == ["done", "done", "done", "failed", "done"]
    assert [call["request"]["messages"] for call in calls] == [
        [{"role": message.role, "content": message.content} for message in prompt.messages] for prompt in author.prompts
    ]


def test_the_planning_model_of_the_book_is_asked(
    settings: Settings, session: Session, engine: Engine, book_id: str
) -> None:
    session.get_one(Book, book_id).props = {"models": {"planning": "planner-1"}}
    _, author = lay(settings, session, engine, book_id, lambda _prompt: None)
    assert {prompt.model for prompt in author.prompts} == {"planner-1"}


@pytest.mark.parametrize(
    ("model", "rules", "served"),
    [
        # Without response_format the author answers in Markdown.
        (f"{MODEL}:no-schema", (), [True, False, False, False]),
        # JSON that is cut off cannot be continued, and is asked for anew.
        (MODEL, (Rule(Fault.LENGTH, 1, 1),), [True] * 4),
    ],
)
def test_servers_that_know_no_schema_or_cut_off_answers_still_plan(
    settings: Settings,
    session: Session,
    engine: Engine,
    book_id: str,
    tmp_path: Path,
    model: str,
    rules: tuple[Rule, ...],
    served: list[bool],
) -> None:
    job_id = enqueue(session, "create_foundation", book_id, props={"brief": BRIEF})
    with llm_stub(tmp_path / "record", rules=rules) as stub, client(stub.url, llm_model=model) as author:
        work(settings, author)
        assert row(engine, job_id).state == "completed", row(engine, job_id).error_message
        assert [line["shaped"] for line in stub.record("request")] == served
    assert "## Ines" in chunks(engine, book_id, "characters")[0].text


def test_a_scene_that_is_cut_off_is_continued_to_its_end(
    settings: Settings, session: Session, engine: Engine, book_id: str, foundation: str, tmp_path: Path
) -> None:
    assert row(engine, foundation).state == "completed"
    scene = chunks(engine, book_id, "scene")[0]
    job_id = enqueue(session, "generate_chunk", book_id, chunk_id=scene.chunk_id, props={"target_words": 300})
    rules = (Rule(Fault.LENGTH, 1, 1),)
    with llm_stub(tmp_path / "record", rules=rules) as stub, client(stub.url) as author:
        work(settings, author)
        assert row(engine, job_id).state == "completed", row(engine, job_id).error_message
        assert len(stub.record("request")) == 2
    written = chunks(engine, book_id, "scene")[0]
    assert written.word_count == pytest.approx(300, rel=0.15)
    assert len(set(written.text.split("\n\n"))) == len(written.text.split("\n\n"))


def markdown_for(prompt: Prompt) -> str:
    """What the offline author says to the same question without a shape."""
    return OfflineAuthor().complete(replace(prompt, shape=None), Listener()).text
