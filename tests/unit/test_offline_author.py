"""The offline author: what it is asked for it writes, the same every time, at the length and speed asked for."""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from bookbot_worker.books import library, outline, template
from bookbot_worker.books.context import SceneContext, variables
from bookbot_worker.llm.client import LLM, Completion, Listener, Message, Prompt
from bookbot_worker.llm.offline import MODEL, PROVIDER, OfflineAuthor
from bookbot_worker.llm.offline.retelling import in_past
from bookbot_worker.outcomes import JobCancelled
from shared import words

pytestmark = pytest.mark.unit

EXAMPLES = Path(__file__).parents[2] / "examples"
BRIEF = (EXAMPLES / "brief.md").read_text(encoding="utf-8")
PEOPLE = ("Mara Venn", "Ilse Corrow", "Tobias Reeve", "Jonah Pell")


def ask(question: str, *, max_words: int | None = None, author: LLM | None = None) -> Completion:
    prompt = Prompt((Message("system", "You write."), Message("user", question)), max_words=max_words)
    return (author or OfflineAuthor()).complete(prompt, Listener())


def outline_text(brief: str = BRIEF) -> str:
    return ask(template.render(library.prompt("outline"), {"Brief": brief})).text


def scene_question(number: int, style: str = "", task: int = 0) -> str:
    planned = outline.parse(outline_text()).text
    values = variables(SceneContext(number, brief=BRIEF, style=style, outline=planned))
    return template.render(library.default_tasks()[task].prompt, values)


def test_an_outline_tells_the_plot_of_the_brief() -> None:
    planned = outline.parse(outline_text())
    assert planned.title == "The Salt Ledger"
    assert [chapter.title for chapter in planned.chapters][:2] == ["The bell", "The surveyor"]
    assert all(2 <= len(chapter.scenes) <= 4 for chapter in planned.chapters)
    assert "On the lowest tide in forty years, Mara hears a bell ring under the water." in planned.text
    assert {name for scene in planned.scenes for name in scene.characters} == set(PEOPLE)
    assert all(scene.settings for scene in planned.scenes)
    assert len({scene.title for scene in planned.scenes}) == len(planned.scenes)


@pytest.mark.parametrize(
    "brief", ["", "Ines, a baker in Lisbon, inherits a clock.", "?!", "# T\n\n" + "word " * 3000, "In 7 chapters."]
)
def test_any_brief_gives_an_outline_with_scenes(brief: str) -> None:
    planned = outline.parse(outline_text(brief))
    assert len(planned.chapters) >= 3
    assert all(scene.characters and scene.settings for scene in planned.scenes)


def test_a_brief_may_say_how_many_chapters() -> None:
    assert len(outline.parse(outline_text("Ada meets Tom at the Mill. They part in 7 chapters.")).chapters) == 7


def test_sheets_have_a_section_for_every_name_in_the_outline() -> None:
    values = {"Brief": BRIEF, "OutlineSection": outline_text()}
    characters = ask(template.render(library.prompt("characters"), values)).text
    settings = ask(template.render(library.prompt("settings"), values)).text
    assert [line[3:] for line in characters.split("\n") if line.startswith("## ")] == list(PEOPLE)
    assert {line[3:] for line in settings.split("\n") if line.startswith("## ")} >= {"Skerry Head", "The Tide House"}
    assert "Pronouns: she/her" in characters


@pytest.mark.parametrize("target", [50, 120, 300, 500, 1000, 2500, 8000])
def test_a_scene_has_the_length_asked_for(target: int) -> None:
    for number in (1, 5, 9):
        assert words.count(ask(scene_question(number), max_words=target).text) == pytest.approx(target, rel=0.15)


def test_the_length_may_stand_in_the_prompt() -> None:
    question = scene_question(2) + "\n\nWrite about 240 words."
    assert words.count(ask(question).text) == pytest.approx(240, rel=0.15)


def test_a_scene_tells_its_section_in_the_past_with_people_and_place() -> None:
    text = ask(scene_question(1), max_words=500).text
    assert "Mara heard a bell ring under the water." in text
    assert "Skerry Head" in text
    assert "“" in text
    assert not re.search(r"[{}*^_]", text)


def test_a_scene_repeats_no_sentence() -> None:
    for number in range(1, 9):
        sentences = re.split(r"(?<=[.!?”])\s+", ask(scene_question(number), max_words=1500).text)
        counted = Counter(sentence for sentence in sentences if len(sentence.split()) > 3)
        assert [sentence for sentence, times in counted.items() if times > 1] == []


def test_neighbouring_scenes_share_hardly_a_sentence() -> None:
    texts = [ask(scene_question(number), max_words=500).text for number in range(1, 13)]
    told = [{s for s in re.split(r"(?<=[.!?”])\s+", text) if len(s.split()) > 5} for text in texts]
    shared = [len(before & after) for before, after in pairwise(told)]
    assert max(shared) <= 1
    assert sum(shared) <= 3


def test_the_style_decides_person_and_tense() -> None:
    text = ask(scene_question(1, "First person, present tense."), max_words=500).text
    assert re.search(r"\bI (hear|am|look|think|have|know|find)\b", text)
    assert not re.search(r"\b(Mara was|Mara had|Mara looked)\b", text)


def test_the_same_prompt_gives_the_same_answer_and_another_prompt_another() -> None:
    assert ask(scene_question(3)) == ask(scene_question(3))
    assert ask(scene_question(3)).text != ask(scene_question(3, task=1)).text


def test_anything_else_gets_a_short_answer_that_says_who_speaks() -> None:
    completion = ask("What is the capital of France?")
    assert "offline author" in completion.text
    assert words.count(completion.text) < 80


def test_an_answer_says_what_made_it_and_counts_tokens() -> None:
    question = "What is the capital of France?"
    completion = ask(question)
    assert (completion.provider, completion.model, completion.finish_reason) == (PROVIDER, MODEL, "stop")
    assert completion.input_tokens == pytest.approx((len(question) + len("You write.")) / 4, abs=1)
    assert completion.output_tokens == pytest.approx(len(completion.text) / 4, abs=1)
    assert completion.cost_usd == 0.0


def test_the_pieces_make_the_text_and_checks_come_between() -> None:
    events: list[str] = []
    prompt = Prompt((Message("user", scene_question(1)),), max_words=300)
    completion = OfflineAuthor().complete(prompt, Listener(events.append, lambda: events.append("")))
    assert "".join(events) == completion.text
    assert max(len(piece.split()) for piece in events) <= 50
    assert all(before == "" or after == "" for before, after in pairwise(events))


@pytest.mark.parametrize("speed", [0.5, 7, 50])
def test_speed_is_kept_by_pausing_and_checking_at_least_twice_a_second(speed: float) -> None:
    waited: list[float] = []
    checks_at: list[float] = [0.0]
    author = OfflineAuthor(words_per_second=speed, pause=waited.append)
    completion = author.complete(
        Prompt((Message("user", "Hello?"),)),
        Listener(check=lambda: checks_at.append(sum(waited))),
    )
    assert sum(waited) == pytest.approx(len(completion.text.split()) / speed)
    assert max(after - before for before, after in pairwise(checks_at)) <= 0.5


def test_what_check_raises_ends_the_answer_at_once() -> None:
    pieces: list[str] = []

    def check() -> None:
        if len(pieces) == 2:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        OfflineAuthor().complete(Prompt((Message("user", scene_question(1)),)), Listener(pieces.append, check))
    assert len(pieces) == 2


@pytest.mark.parametrize("speed", [-1.0, float("nan")])
def test_a_speed_below_nothing_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="words_per_second"):
        OfflineAuthor(words_per_second=speed)


@pytest.mark.parametrize(
    ("present", "past"),
    [
        ("Mara finds the key, hides it and says nothing.", "Mara found the key, hid it and said nothing."),
        ("They carry her father's letters.", "They carried her father's letters."),
        ("A trawler runs on to the rocks.", "A trawler ran on to the rocks."),
        ("On the lighthouse steps she stops.", "On the lighthouse steps she stopped."),
        (
            "Mara must wait; nobody is there, and she cannot see.",
            "Mara had to wait; nobody was there, and she could not see.",
        ),
        ("Ilse says: “It is late.”", "Ilse said: “It is late.”"),
    ],
)
def test_a_summary_is_retold_in_the_past(present: str, past: str) -> None:
    assert in_past(present, frozenset({"Mara", "Ilse"})) == past
