"""Bots and tasks as a YAML file: nothing is lost on the way, and every fault has its line and column."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookbot_worker.books import library
from bookbot_worker.books.kit_file import read_kit, write_kit
from bookbot_worker.books.library import Bot, Task
from bookbot_worker.books.template import VARIABLES, lint
from shared.job_types import MODES
from tests.support.docs import ROOT, blocks

pytestmark = pytest.mark.unit

STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=60)
PROMPTS = st.lists(STORABLE | st.sampled_from(["", " ", "  x", "{{ Brief }}"]), min_size=1).map("\n".join).filter(bool)


def test_the_defaults_are_the_same_after_an_export() -> None:
    text = write_kit(library.default_bots(), library.default_tasks())
    kit, faults = read_kit(text)
    assert (kit.bots, kit.tasks, faults) == (library.default_bots(), library.default_tasks(), [])
    assert "  prompt: |\n    Write this scene of a novel" in text


def test_the_file_in_the_documents_is_one_and_its_fault_is_where_they_say() -> None:
    document = ROOT / "docs" / "prompts.md"
    (example,) = blocks(document, "yaml")
    kit, faults = read_kit(example)
    assert (len(kit.bots or ()), len(kit.tasks or ()), faults) == (1, 1, [])
    _, (fault,) = read_kit(example.replace("{{ Brief }}", "{{ Breif }}"))
    assert f"`prompts.yaml:{fault.line}:{fault.column}: {fault.reason}`" in document.read_text(encoding="utf-8")


@settings(deadline=None)
@given(STORABLE, PROMPTS, st.floats(0, 2) | st.none(), st.lists(st.sampled_from(MODES)))
def test_nothing_is_lost_on_the_way(name: str, prompt: str, temperature: float | None, modes: list[str]) -> None:
    bot = Bot.model_validate({"name": name, "prompt": prompt, "temperature": temperature, "modes": modes})
    kit, faults = read_kit(write_kit([bot], library.default_tasks()))
    assert kit.bots == (bot,)
    assert all(fault.is_warning for fault in faults)


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("", 1, 1, "the lists bots and tasks"),
        ("just words", 1, 1, "the lists bots and tasks"),
        ("bots: []", 1, 7, "must be a list"),
        ("robots:\n- a", 2, 1, "no 'robots'"),
        ("bots:\n- just words", 2, 3, "must be an entry"),
        ("bots:\n- name: A\n  prompt: [x", 3, 13, "expected ',' or ']'"),
        ("bots:\n- name: A\n", 2, 3, "prompt: Field required"),
        ("bots:\n- name: A\n  prompt: x\n  temperature: hot\n", 4, 16, "temperature: Input should be a valid number"),
        ("bots:\n- name: A\n  prompt: x\n  colour: red\n", 4, 11, "colour: Extra inputs"),
        ("bots:\n- &a {name: A, prompt: x}\n- *a\n", 3, 3, "aliases"),
        ("bots:\n- name: A\n  prompt: !!python/name:os.system\n", 3, 11, "could not determine a constructor"),
        ("bots:\n- name: A\n  prompt: x\n- name: a\n  prompt: y\n", 4, 3, "two of the bots are called 'a'"),
        ("bots:\n- name: A\n  name: B\n  prompt: x\n", 3, 9, "name is given twice"),
        ("tasks:\n- name: A\n  prompt: |\n    Hello\n\n      and {{ Breif }}.\n", 6, 11, "did you mean Brief?"),
        ("tasks:\n- name: A\n  prompt: Hello {{ Brief\n", 3, 17, "not closed"),
        ("tasks:\n- name: A\n  prompt: 'Hello {{ }}'\n", 3, 18, "names no variable"),
        ("tasks:\n- name: A\n  prompt: >\n    Hello\n    {{ Breif }}\n", 3, 11, "line 1, column 7 of the prompt"),
        ("tasks:\n- name: A\n  modes: [sing]\n  prompt: x\n", 3, 10, "modes.0: Input should be 'write'"),
        ("tasks:\n- name: A\n  job_types: [dance]\n  prompt: x\n", 3, 14, "no job type 'dance'"),
        ("[" * 5_000, 1, 1, "nested too deeply"),
        ("a: \x07", 1, 1, "special characters are not allowed"),
    ],
)
def test_a_fault_has_its_place_in_the_file(text: str, line: int, column: int, reason: str) -> None:
    _, faults = read_kit(text)
    assert [(fault.line, fault.column) for fault in faults] == [(line, column)], faults
    assert reason in faults[0].reason
    assert "\n" not in faults[0].reason


def test_all_faults_are_named_in_reading_order() -> None:
    text = "tasks:\n- name: A\n  prompt: |\n    {{ Breif }} }}\n    {{ Stile }}\n- name: B\n  prompt: 3\n"
    _, faults = read_kit(text)
    assert [(fault.line, fault.column, fault.is_warning) for fault in faults] == [
        (4, 5, False),
        (4, 17, True),
        (5, 5, False),
        (7, 11, False),
    ]


@settings(deadline=None)
@given(st.text(alphabet="{}| \nBriefx", max_size=80))
def test_faults_of_a_template_are_where_the_file_shows_them(template: str) -> None:
    prompt = "Write.\n" + template
    text = write_kit(library.default_bots()[:1], [Task.model_construct(name="A", prompt=prompt)])
    lines = text.split("\n")
    _, faults = read_kit(text)
    assert len(faults) == len(lint(prompt))
    for fault in faults:
        if "of the prompt:" not in fault.reason:
            assert lines[fault.line - 1][fault.column - 1 :].startswith(("{{", "}}"))


@pytest.mark.parametrize("unit", ["{{ Brief }} {{ a | Style }}", "{{ ", "}} ", "{{ x | ", "{{ Nobody }}", "{", "|"])
def test_ten_times_the_template_takes_about_ten_times_as_long_to_check(unit: str) -> None:
    def cpu_seconds(times: int) -> float:
        started = time.process_time()
        lint(unit * times)
        return time.process_time() - started

    few, many = (min(cpu_seconds(times) for _ in range(3)) for times in (1_000, 10_000))
    assert many < 40 * few + 0.01
    assert len(VARIABLES) == 9
