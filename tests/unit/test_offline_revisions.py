"""The offline author asked for reviews, edits, copyedits, JSON, the rest of an answer, and for errors."""

import json
import re
from pathlib import Path

import pytest

from bookbot_worker.books import library, outline, template
from bookbot_worker.books.context import SceneContext, variables
from bookbot_worker.books.continuing import GO_ON, joined, whole_sentences
from bookbot_worker.books.plan_answers import read_answer, schema_of
from bookbot_worker.books.revising import length_of
from bookbot_worker.llm.client import Completion, Listener, Message, Prompt, Shape
from bookbot_worker.llm.errors import Kind, LLMError, LLMRetry
from bookbot_worker.llm.offline import OfflineAuthor
from bookbot_worker.llm.offline.provoked import Fault
from bookbot_worker.outcomes import JobCancelled
from shared import words

pytestmark = pytest.mark.unit

EXAMPLES = Path(__file__).parents[2] / "examples"
BRIEF, STYLE = ((EXAMPLES / f"{name}.md").read_text(encoding="utf-8") for name in ("brief", "style"))
OUTLINE = """## Chapter 1: The bell

### Half the Truth [[Scene 3]]

Mara takes the ledger to Port Annis and shows it to Ilse, who tells her to burn it.

Characters: Mara Venn, Ilse Corrow
Setting: Port Annis
"""


def ask(*turns: str, shape: Shape | None = None, model: str | None = None) -> Completion:
    """The answer after these turns; the first and every second are the user's."""
    said = [Message("assistant" if number % 2 else "user", turn) for number, turn in enumerate(turns)]
    return OfflineAuthor().complete(Prompt((Message("system", "x"), *said), model=model, shape=shape), Listener())


def question(mode: str, current: str = "", review: str = "", asked: int | None = None) -> str:
    task = next(task for task in library.default_tasks() if task.applies_to("generate_chunk", mode))
    context = SceneContext(3, brief=BRIEF, style=STYLE, outline=OUTLINE, current=current, review=review)
    wish = length_of(mode, asked, words.count(current)).wish
    return f"{template.render(task.prompt, variables(context)).rstrip()}\n\n{wish}".rstrip()


SCENE = ask(question("write")).text


def test_a_review_has_points_that_quote_the_scene_and_says_what_must_stay() -> None:
    review = ask(question("review", SCENE)).text
    *points, last = [line for line in review.splitlines() if line]
    assert 3 <= len(points) <= 7
    assert all(point.startswith("- “") for point in points)
    assert last.startswith("What must stay as it is: “")
    plain = re.sub(r"[“”]", "", SCENE)
    quotes = re.findall(r"“([^”]+)” (?:explains|begins|could|opens|closes|is where|leans)", review)
    assert quotes
    assert all(quote in plain for quote in quotes)


def test_a_review_misses_who_does_not_come_up() -> None:
    assert "“Ilse Corrow” belongs to this scene" in ask(question("review", "Mara waits at Port Annis. " * 3)).text


def test_an_edit_does_what_the_review_says_and_keeps_the_rest() -> None:
    text = f"{SCENE}\n\nMara was suddenly very sure. She had always known it would end here. It was cold."
    review = "- “She had always known it would” explains it: leave this sentence out."
    edited = ask(question("edit", text, review)).text
    assert "always known it would end here" not in edited
    assert edited.endswith("Mara was sure. It was cold.")
    assert edited.split("\n\n")[:5] == SCENE.split("\n\n")[:5]


@pytest.mark.parametrize("target", [250, 800])
def test_an_edit_and_a_rewrite_have_the_length_asked_for(target: int) -> None:
    for mode in ("edit", "rewrite"):
        edited = ask(question(mode, SCENE, asked=target)).text
        assert words.count(edited) == pytest.approx(target, rel=0.15)


def test_a_copyedit_corrects_slips_and_nothing_else() -> None:
    assert ask(question("copyedit", SCENE)).text == SCENE
    slips = SCENE + '\n\n"Teh the teh bell" , she said ... it isn\'t  here - adn i i know\n\nHe had had it.'
    assert ask(question("copyedit", slips)).text.removeprefix(SCENE).strip() == (
        "“Teh the the bell”, she said … it isn’t here – and I know\n\nHe had had it."
    )


def test_a_rewrite_is_another_scene() -> None:
    again = ask(question("rewrite", SCENE)).text
    assert again.split("\n\n")[0] != SCENE.split("\n\n")[0]


@pytest.mark.parametrize("kind", ["outline", "characters", "settings"])
def test_plans_are_json_of_the_shape_that_is_asked_for(kind: library.PromptName) -> None:
    values = {"Brief": BRIEF, "Style": STYLE, "OutlineSection": "" if kind == "outline" else OUTLINE}
    prompt = template.render(library.prompt(kind, "json"), values)
    answer = ask(prompt, shape=Shape(kind, schema_of(kind))).text
    assert answer.startswith("{")
    needed = outline.parse(OUTLINE).tags.get(kind, [])
    reading = read_answer(kind, answer, needed)
    assert reading.faults == ()
    assert all(f"## {name}" in (reading.markdown or "") for name in needed)


def test_other_shapes_are_filled_with_what_there_is_to_say() -> None:
    schema = {
        "type": "object",
        "properties": {
            "mood": {"enum": ["dark", "light"]},
            "count": {"type": "integer", "minimum": 3},
            "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}, "minItems": 2},
        },
        "$defs": {"Line": {"type": "object", "properties": {"text": {"type": "string"}, "end": {"$ref": "#"}}}},
    }
    answer = json.loads(ask(question("write"), shape=Shape("any", schema)).text)
    assert (answer["mood"], answer["count"], len(answer["lines"])) == ("dark", 3, 2)
    assert answer["lines"][0]["text"] != answer["lines"][1]["text"]


def test_a_cut_off_answer_is_continued_where_it_ended() -> None:
    asked = question("write")
    half = ask(asked, model="any:length")
    assert half.finish_reason == "length"
    begun = whole_sentences(half.text)
    assert joined(begun, ask(asked, begun.rstrip(), GO_ON).text) == SCENE


@pytest.mark.parametrize(
    ("fault", "kind", "error"),
    [
        ("429", Kind.RATE_LIMITED, LLMRetry),
        ("500", Kind.PROVIDER_TROUBLE, LLMRetry),
        ("bad-key", Kind.BAD_KEY, LLMError),
        ("context", Kind.CONTEXT_TOO_LONG, LLMError),
        ("cut", Kind.CUT, LLMRetry),
    ],
)
def test_errors_come_on_request_and_are_those_of_a_server(
    fault: str, kind: Kind, error: type[LLMError] | type[LLMRetry]
) -> None:
    with pytest.raises(error) as raised:
        ask(question("write"), model=f"offline-author-1:{fault}")
    assert raised.value.kind is kind
    assert raised.value.partial is None or SCENE.startswith(raised.value.partial.text)


def test_the_documents_list_what_goes_wrong_on_request() -> None:
    text = (EXAMPLES.parent / "docs" / "books.md").read_text(encoding="utf-8")
    listed = text.partition("After the colon:")[2].partition(".\n")[0]
    assert re.findall(r"`([^`]+)`", listed) == list(Fault)


def test_an_author_that_hangs_ends_when_nobody_waits() -> None:
    waited: list[float] = []

    def check() -> None:
        if len(waited) == 3:
            raise JobCancelled

    prompt = Prompt((Message("user", "Hello?"),), model="any:hang")
    with pytest.raises(JobCancelled):
        OfflineAuthor(pause=waited.append).complete(prompt, Listener(check=check))
