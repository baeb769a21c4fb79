"""A form made from a model of props, and what its fields send made into props again.

Owns which kind of field a property becomes; what is valid is the model's business alone. Only what a person has
changed is sent on: an empty field, or the default, leaves the choice to the job.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData

from shared.errors import InvalidInput
from shared.views import parse_object

Kind = Literal["select", "number", "checkbox", "checkboxes", "text", "lines", "json"]

WHOLE = "props"
"""The field of a model that takes any JSON object."""

_ANY: list[tuple[str, Any]] = [("", None)]


@dataclass(slots=True)
class Field:
    """One field: `name` as in the form, what is typed in it (`value`, or `values` of checkboxes), and what is wrong.

    `options`: (what the form sends, what it stands for). `default` is what holds where nothing is sent.
    """

    name: str
    label: str
    kind: Kind
    help: str = ""
    options: list[tuple[str, Any]] = field(default_factory=list)
    default: Any = None
    is_required: bool = False
    is_whole: bool = False
    least: float | None = None
    most: float | None = None
    longest: int | None = None
    value: str = ""
    values: list[str] = field(default_factory=list)
    wrong: str = ""

    @property
    def placeholder(self) -> str:
        """What holds where the field stays empty, as far as a word can say it."""
        return str(self.default) if self.kind == "number" and self.default is not None else ""


def fields_of(
    model: type[BaseModel], *, without: Collection[str] = (), given: dict[str, str] | None = None
) -> list[Field]:
    """The empty form of `model`; `given` fills fields that the page knows already."""
    schema = model.model_json_schema()
    if not schema.get("properties"):
        return [Field(WHOLE, "Values", "json", "A JSON object.")] if schema.get("additionalProperties") else []
    required = schema.get("required", ())
    fields = []
    for name, described in schema["properties"].items():
        if name in without:
            continue
        made = _field(name, described, schema.get("$defs", {}), is_required=name in required)
        if given and name in given:
            made.value, made.values = given[name], [given[name]]
        fields.append(made)
    return fields


def read_props(model: type[BaseModel], fields: list[Field], form: FormData, **fixed: Any) -> dict[str, Any] | None:
    """The props that `form` sends, with the `fixed` ones; None where something is wrong.

    What is wrong, and what was typed, stands in the fields. Raises InvalidInput ("props") for what is wrong with no
    field in particular.
    """
    props: dict[str, Any] = dict(fixed)
    for one in fields:
        sent = [text for text in form.getlist(one.name) if isinstance(text, str)]
        one.values, one.value = sent, (sent[0] if sent else "")
        try:
            _take(one, props)
        except ValueError as error:
            one.wrong = str(error)
        except InvalidInput as error:
            one.wrong = error.reason
    if not any(one.wrong for one in fields):
        _blame(model, fields, props)
    return None if any(one.wrong for one in fields) else props


def blame(fields: list[Field], error: InvalidInput) -> bool:
    """Put what is wrong beside its field; False where it is about none of them."""
    path = error.field.removeprefix("props.").split(".")[0]
    found = next((one for one in fields if one.name == path), None)
    if found is not None:
        found.wrong = error.reason
    return found is not None


def _blame(model: type[BaseModel], fields: list[Field], props: dict[str, Any]) -> None:
    try:
        model.model_validate(props)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            reason = str(fault["msg"]).removeprefix("Value error, ")[:300]
            name = str(fault["loc"][0]) if fault["loc"] else ""
            if not blame(fields, InvalidInput(name, reason)):
                raise InvalidInput("props", f"{name[:80]}: {reason}" if name else reason) from None


def _take(one: Field, props: dict[str, Any]) -> None:
    """Add what was sent for a field to the props. Raises ValueError or InvalidInput."""
    text = one.value.strip()
    match one.kind:
        case "checkbox":
            if (value := bool(one.values)) != bool(one.default):
                props[one.name] = value
        case "checkboxes":
            known = dict(one.options)
            if unknown := [name for name in one.values if name not in known]:
                raise ValueError(f"{unknown[0][:40]!r} is no choice")
            chosen = [known[name] for name in one.values]
            if chosen != list(one.default or ()):
                props[one.name] = chosen
        case "json" if one.name == WHOLE:
            props |= parse_object("props", text or "{}")
        case _ if not text:
            if one.is_required:
                raise ValueError("is needed")
        case "select":
            known = dict(one.options)
            if text not in known:
                raise ValueError(f"{text[:40]!r} is no choice")
            if known[text] != one.default:
                props[one.name] = known[text]
        case "number":
            props[one.name] = _number(text, is_whole=one.is_whole)
        case "json":
            props[one.name] = parse_object(one.name, f'{{"value": {text}}}').get("value")
        case _:
            props[one.name] = text


def _number(text: str, *, is_whole: bool) -> float:
    try:
        if len(text) > 40:
            raise ValueError
        return int(text) if is_whole else float(text.replace(",", "."))
    except ValueError:
        raise ValueError(f"must be a {'whole ' if is_whole else ''}number") from None


def _field(name: str, described: dict[str, Any], defined: dict[str, Any], *, is_required: bool) -> Field:
    """What a property of a JSON schema becomes."""
    schema, is_optional = _inner(described, defined)
    default = described.get("default")
    made = Field(
        name, name.replace("_", " ").capitalize(), "json", str(described.get("description", "")), default=default,
        is_required=is_required,
    )  # fmt: skip
    kind = schema.get("type")
    if choices := schema.get("enum"):
        made.kind = "select"
        made.options = [*(_ANY if is_optional else []), *((str(choice), choice) for choice in choices)]
        made.value = "" if default is None else str(default)
    elif kind == "boolean" and is_optional:
        made.kind, made.options = "select", [*_ANY, ("yes", True), ("no", False)]
        made.value = "" if default is None else "yes" if default else "no"
    elif kind == "boolean":
        made.kind, made.values = "checkbox", ["on"] if default else []
    elif kind in ("integer", "number"):
        made.kind, made.is_whole = "number", kind == "integer"
        made.least, made.most = schema.get("minimum"), schema.get("maximum")
    elif kind == "array" and (choices := _inner(schema.get("items", {}), defined)[0].get("enum")):
        made.kind, made.options = "checkboxes", [(str(choice), choice) for choice in choices]
        made.values = [str(choice) for choice in default or ()]
    elif kind == "string":
        made.kind = "lines" if schema.get("format") == "markdown" or described.get("format") == "markdown" else "text"
        made.longest = schema.get("maxLength")
    elif default is not None:
        made.value = json.dumps(default, ensure_ascii=False)
    return made


def _inner(described: dict[str, Any], defined: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema behind references, and whether null will do too."""
    if reference := described.get("$ref"):
        return defined.get(str(reference).rpartition("/")[2], {}), False
    options = [option for option in described.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) == 1:
        return _inner(options[0], defined)[0], len(options) < len(described["anyOf"])
    return (described, False) if not options else ({}, False)
