"""Templates: what a tag means, what is refused, and that values are never read as templates."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookbot_worker.books.template import VARIABLES, TemplateError, render, uses

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("Hello {{ Brief }}!", "Hello a storm!"),
        ("{{Brief}}{{ Style }}", "a stormplain"),
        ("{{ In short: | Brief }}", "In short:a storm"),
        ("{{ Before:\n\n | Brief }}", "Before:\n\na storm"),
        ("{{ Before: | Review }}after", "after"),
        ("{{ a | b | Brief }}", "a | ba storm"),
        ("a }} b { c", "a }} b { c"),
        ("", ""),
    ],
)
def test_a_tag_becomes_its_text_and_value(template: str, expected: str) -> None:
    assert render(template, {"Brief": "a storm", "Style": "plain", "Review": " \n"}) == expected


@pytest.mark.parametrize(
    ("template", "line", "column"),
    [
        ("{{ Breif }}", 1, 1),
        ("one\ntwo {{ x | Nothing }}", 2, 5),
        ("ok {{ Brief }} {{ Brief", 1, 16),
        ("{{ Brief\n{{ Style }}", 1, 1),
        ("{{ }}", 1, 1),
        ("{{ brief }}", 1, 1),
    ],
)
def test_a_fault_is_named_with_line_and_column(template: str, line: int, column: int) -> None:
    with pytest.raises(TemplateError, match=f"line {line}, column {column}") as caught:
        render(template, {})
    assert (caught.value.line, caught.value.column) == (line, column)
    with pytest.raises(TemplateError):
        uses(template)


def test_uses_lists_what_is_asked_for() -> None:
    assert uses("{{ Brief }} {{ x | Review }} {{ Brief }}") == {"Brief", "Review"}


def test_ten_times_the_tags_take_about_ten_times_as_long() -> None:
    """The obvious regular expression takes a hundred times as long."""

    def cpu_seconds(tags: int) -> float:
        template = "{{ Brief }}{{ text | Style }}" * (tags // 2)
        started = time.process_time()
        render(template, {"Brief": "x"})
        return time.process_time() - started

    few, many = (min(cpu_seconds(tags) for _ in range(5)) for tags in (2_000, 20_000))
    assert many < 40 * few


@given(st.text(alphabet="ab\n }{|"))
def test_text_without_an_opening_is_itself(text: str) -> None:
    literal = text.replace("{{", "")
    while "{{" in literal:
        literal = literal.replace("{{", "")
    assert render(literal, {}) == literal


@given(st.sampled_from(VARIABLES), st.text())
def test_values_are_put_in_as_they_are(name: str, value: str) -> None:
    assert render(f"<{{{{ {name} }}}}>", {name: value + "{{ Brief }}"}) == f"<{value}{{{{ Brief }}}}>"


@given(st.text(alphabet="{} |Brief\n", max_size=60))
def test_any_text_renders_or_is_refused_with_a_place_inside_it(template: str) -> None:
    fault: TemplateError | None = None
    try:
        rendered = render(template, {"Brief": "b"})
    except TemplateError as error:
        fault = error
    if fault is not None:
        line = template.split("\n")[fault.line - 1]
        assert line[fault.column - 1 :].startswith("{{")
    else:
        assert "{{" not in re.sub(r"\{\{[^{}]*\}\}", "", template)
        assert len(rendered) <= len(template)
