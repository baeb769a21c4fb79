"""The offline author's answers as JSON: its own plans field by field, anything else poured into the schema's texts."""

import json
import re
from collections.abc import Mapping
from typing import Any

from bookbot_worker.llm.offline.asked import Kind
from bookbot_worker.llm.offline.text import sentences

_LABELLED = re.compile(r"^(Also called|Pronouns|Habit|Voice|Details|Characters|Setting): (.*)$", re.MULTILINE)
_DEEPEST = 12


def as_json(kind: Kind, text: str, schema: Mapping[str, Any]) -> str:
    """What the author wrote as an object of this schema, indented as a model would."""
    wanted = schema.get("properties")
    fields = set(wanted) if isinstance(wanted, Mapping) else set()
    answer: Any
    match kind:
        case Kind.OUTLINE if "chapters" in fields:
            answer = _outline(text)
        case Kind.CHARACTERS if "characters" in fields:
            answer = {"characters": [_person(section) for section in _sections(text)]}
        case Kind.SETTINGS if "settings" in fields:
            answer = {"settings": [_place(section) for section in _sections(text)]}
        case _:
            answer = _Filler(schema, text).fill(schema, 0)
    return json.dumps(answer, ensure_ascii=False, indent=2)


def _outline(text: str) -> dict[str, Any]:
    title, *chapters = re.split(r"\n\n## Chapter \d+: ", text)
    return {
        "title": title.removeprefix("# "),
        "chapters": [
            {"title": name.strip(), "scenes": [_scene(scene) for scene in scenes]}
            for name, *scenes in (re.split(r"\n\n### ", chapter) for chapter in chapters)
        ],
    }


def _scene(section: str) -> dict[str, Any]:
    title, summary, *_ = section.split("\n\n")
    found = _labels(section)
    return {
        "title": title,
        "summary": summary,
        "characters": found.get("Characters", "").split(", "),
        "setting": found.get("Setting", ""),
    }


def _sections(text: str) -> list[str]:
    return re.split(r"(?:\A|\n\n)## ", text)[1:]


def _person(section: str) -> dict[str, Any]:
    found = _labels(section)
    name, *paragraphs = section.split("\n\n")
    return {
        "name": name,
        "also_called": [found["Also called"]] if "Also called" in found else [],
        "pronouns": found.get("Pronouns", ""),
        "description": "\n\n".join(part for part in paragraphs if not _LABELLED.match(part)),
        "habit": found.get("Habit", ""),
        "voice": found.get("Voice", ""),
    }


def _place(section: str) -> dict[str, Any]:
    name, description, *_ = section.split("\n\n")
    return {"name": name, "description": description, "details": _labels(section).get("Details", "")}


def _labels(section: str) -> dict[str, str]:
    return {match[1]: match[2] for match in _LABELLED.finditer(section)}


class _Filler:
    """Fills any schema as far as it is understood, its texts with one sentence after the other."""

    def __init__(self, root: Mapping[str, Any], text: str) -> None:
        self._root = root
        self._sentences = sentences(" ".join(text.split())) or ["Nothing."]
        self._next = 0

    def fill(self, schema: Any, depth: int) -> Any:
        """A value of `schema`; None where it is too deep or not understood."""
        if not isinstance(schema, Mapping) or depth > _DEEPEST:
            return None
        if isinstance(reference := schema.get("$ref"), str):
            return self.fill(self._resolved(reference), depth + 1)
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return schema["enum"][0]
        for name in ("anyOf", "oneOf", "allOf"):
            if isinstance(schema.get(name), list) and schema[name]:
                return self.fill(schema[name][0], depth + 1)
        match schema.get("type"):
            case "object":
                fields = schema.get("properties")
                known = fields.items() if isinstance(fields, Mapping) else ()
                return {field: self.fill(its, depth + 1) for field, its in known}
            case "array":
                count = schema.get("minItems", 1)
                return [self.fill(schema.get("items"), depth + 1) for _ in range(count if count in range(1, 20) else 1)]
            case "integer" | "number":
                return schema.get("minimum", 1)
            case "boolean":
                return True
            case "string":
                self._next += 1
                return self._sentences[(self._next - 1) % len(self._sentences)]
        return None

    def _resolved(self, reference: str) -> Any:
        found: Any = self._root
        for part in reference.removeprefix("#").strip("/").split("/"):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found
