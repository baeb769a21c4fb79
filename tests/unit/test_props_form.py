"""Forms made from models of props: which field a property becomes, and what its value becomes again."""

from typing import Literal

import pytest
from pydantic import Field
from starlette.datastructures import FormData

from bookbot_web.props_form import WHOLE, fields_of, read_props
from shared.errors import InvalidInput
from shared.job_types import AnyProps, ExportBookProps, GenerateBookProps, GenerateChunkProps, Props

pytestmark = pytest.mark.unit


class Zoo(Props):
    """One of each."""

    kind: Literal["cat", "dog"] = "cat"
    count: int = Field(3, ge=1, le=9, description="how many")
    share: float | None = None
    loud: bool = True
    maybe: bool | None = None
    days: tuple[Literal["mon", "tue"], ...] = ("mon",)
    name: str = Field(min_length=1, max_length=5)
    story: str | None = Field(None, json_schema_extra={"format": "markdown"})
    table: dict[str, int] = Field(default_factory=dict)


def read(model: type[Props], *pairs: tuple[str, str]) -> dict[str, object] | None:
    return read_props(model, fields_of(model), FormData(pairs))


def test_each_property_becomes_the_field_that_fits() -> None:
    fields = {field.name: field for field in fields_of(Zoo)}
    kinds = {name: field.kind for name, field in fields.items()}
    assert kinds == {
        "kind": "select", "count": "number", "share": "number", "loud": "checkbox", "maybe": "select",
        "days": "checkboxes", "name": "text", "story": "lines", "table": "json",
    }  # fmt: skip
    count = fields["count"]
    assert (count.least, count.most, count.is_whole, count.placeholder, count.help) == (1, 9, True, "3", "how many")
    assert [sent for sent, _ in fields["maybe"].options] == ["", "yes", "no"]
    assert (fields["name"].is_required, fields["name"].longest, fields["loud"].values) == (True, 5, ["on"])


def test_only_what_differs_from_the_default_is_sent_on() -> None:
    assert read(Zoo, ("name", "x"), ("loud", "on"), ("kind", "cat"), ("days", "mon"), ("count", "")) == {"name": "x"}
    sent = read(
        Zoo, ("name", "x"), ("kind", "dog"), ("count", "3"), ("share", "0,5"), ("maybe", "no"), ("days", "mon"),
        ("days", "tue"), ("table", '{"a": 1}'), ("story", " s "),
    )  # fmt: skip
    assert sent == {
        "name": "x", "kind": "dog", "count": 3, "share": 0.5, "loud": False, "maybe": False, "days": ["mon", "tue"],
        "table": {"a": 1}, "story": "s",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "typed", "reason"),
    [
        ("kind", "cow", "is no choice"),
        ("count", "three", "must be a whole number"),
        ("count", "9" * 50, "must be a whole number"),
        ("count", "10", "less than or equal to 9"),
        ("share", "nan?", "must be a number"),
        ("days", "sun", "is no choice"),
        ("name", "", "is needed"),
        ("name", "too long", "at most 5"),
        ("table", "[", "is not JSON"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(name: str, typed: str, reason: str) -> None:
    fields = fields_of(Zoo)
    others = [] if name == "name" else [("name", "x")]
    assert read_props(Zoo, fields, FormData([*others, (name, typed)])) is None
    wrong = {field.name: field.wrong for field in fields if field.wrong}
    assert list(wrong) == [name]
    assert reason in wrong[name]
    assert next(field for field in fields if field.name == name).value == typed


def test_what_is_wrong_with_no_field_in_particular_is_said_of_the_whole() -> None:
    with pytest.raises(InvalidInput, match="only_empty goes with mode write"):
        read(GenerateBookProps, ("mode", "edit"), ("only_empty", "yes"), ("export_formats", "epub"))


def test_a_type_without_named_props_takes_an_object() -> None:
    [field] = fields_of(AnyProps)
    assert (field.name, field.kind) == (WHOLE, "json")
    assert read_props(AnyProps, [field], FormData([(WHOLE, '{"a": [1]}')])) == {"a": [1]}


@pytest.mark.parametrize("model", [ExportBookProps, GenerateBookProps, GenerateChunkProps])
def test_the_forms_of_the_product_explain_every_field_and_none_is_a_riddle_of_json(model: type[Props]) -> None:
    for field in fields_of(model):
        assert field.kind != "json", field.name
        assert field.help, field.name
