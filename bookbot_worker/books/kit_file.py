"""Bots and tasks as a YAML file that people edit: writing it, and reading it with every fault at its line and column.

    bots:
    - name: Novelist
      prompt: |
        You are a novelist.
    tasks:
    - name: Write scene
      prompt: |
        Write this scene. {{ Brief }}

A list that is left out is none of the file's business. Pure text in, values out.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml
from pydantic import ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bookbot_worker.books.kit_places import KitLoader, Spot, UnusableYaml, compose, pairs, spot_of, spots_in
from bookbot_worker.books.library import Bot, Task
from bookbot_worker.books.template import Fault, lint
from shared.errors import BookbotError
from shared.job_types import catalogue
from shared.text import check_text

KINDS: dict[Literal["bots", "tasks"], type[Bot] | type[Task]] = {"bots": Bot, "tasks": Task}
_LONGEST_PROMPT = 200_000
_FOLDED = re.compile("[\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Kit:
    """What a file says; None where it has no such list."""

    bots: tuple[Bot, ...] | None = None
    tasks: tuple[Task, ...] | None = None


def write_kit(bots: Sequence[Bot], tasks: Sequence[Task]) -> str:
    """The file, prompts as they are read best."""
    listed = {
        kind: [
            entry.model_dump(mode="json", exclude_defaults=True, exclude={"prompt"}) | {"prompt": entry.prompt}
            for entry in entries
        ]
        for kind, entries in (("bots", bots), ("tasks", tasks))
    }
    text: str = yaml.dump(listed, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def read_kit(text: str) -> tuple[Kit, list[Fault]]:
    """What the file says, and all that is wrong with it, in reading order; a file with a fault is not to be used.

    Only what is wrong with YAML itself ends the reading.
    """
    try:
        root = compose(text)
    except UnusableYaml as error:
        return Kit(), [Fault(error.spot.line, error.spot.column, error.reason)]
    read = _Reader(text)
    found = read.kit(root)
    return found, sorted(read.faults, key=lambda fault: (fault.line, fault.column))


class _Dumper(yaml.SafeDumper):
    """Texts of several lines stand as a block."""


def _as_block(dumper: yaml.SafeDumper, text: str) -> ScalarNode:
    """Line ends that are not ours are escaped: unquoted, YAML would fold them into spaces."""
    style = "|" if "\n" in text and not text[:1].isspace() else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _FOLDED.search(text) else style)


_Dumper.add_representer(str, _as_block)


class _Reader:
    """Collects faults while it reads."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self.faults: list[Fault] = []

    def kit(self, root: Node | None) -> Kit:
        """The whole file."""
        if not isinstance(root, MappingNode):
            self._add(spot_of(root), "the file must hold the lists bots and tasks, or one of them")
            return Kit()
        lists: dict[str, Any] = {}
        for key, node in self._pairs(root):
            if key not in KINDS:
                self._add(spot_of(node), f"there is no {key!r} here; a file has the lists bots and tasks")
            elif not isinstance(node, SequenceNode) or not node.value:
                self._add(spot_of(node), f"{key} must be a list that is not empty")
            else:
                lists[key] = tuple(self._entries(key, node))
        if not root.value:
            self._add(spot_of(root), "the file must hold the lists bots and tasks, or one of them")
        return Kit(lists.get("bots"), lists.get("tasks"))

    def _entries(self, kind: str, listed: SequenceNode) -> Iterator[Bot | Task]:
        names: set[str] = set()
        for node in listed.value:
            entry = self._entry(KINDS["bots" if kind == "bots" else "tasks"], node)
            if entry is None:
                continue
            if entry.name.casefold() in names:
                self._add(spot_of(node), f"two of the {kind} are called {entry.name!r}")
            names.add(entry.name.casefold())
            yield entry

    def _entry(self, model: type[Bot] | type[Task], node: Node) -> Bot | Task | None:
        if not isinstance(node, MappingNode):
            self._add(spot_of(node), "must be an entry with a name and a prompt")
            return None
        fields = dict(self._pairs(node))
        prompt = fields.get("prompt")
        is_fit = self._prompt_is_fit(model, prompt) if isinstance(prompt, ScalarNode) else True
        try:
            entry = model.model_validate(KitLoader.value_of(node))
        except ValidationError as error:
            for found in error.errors(include_url=False, include_input=False):
                place, *rest = found["loc"] or ("entry",)
                if place != "prompt" or is_fit:
                    where = ".".join(map(str, (place, *rest)))
                    self._add(spot_of(fields.get(str(place), node)), f"{where}: {found['msg']}")
            return None
        except UnusableYaml as error:
            self._add(error.spot, error.reason)
            return None
        self._check_job_types(entry, fields.get("job_types", node))
        return entry

    def _prompt_is_fit(self, model: type[Bot] | type[Task], node: ScalarNode) -> bool:
        """Whether the prompt has no fault; those that it has are added at their places in the file."""
        text, before = str(node.value), len(self.faults)
        try:
            check_text("prompt", text, _LONGEST_PROMPT)
        except BookbotError as error:
            self._add(spot_of(node), str(error))
        if model is Task:
            self.faults += spots_in(node, self._lines, lint(text))
        elif "{{" in text:
            self._add(spot_of(node), "a bot's prompt is no template; its {{ is sent as it stands", is_warning=True)
        return all(fault.is_warning for fault in self.faults[before:])

    def _check_job_types(self, entry: Bot | Task, node: Node) -> None:
        known = {job_type.name for job_type in catalogue()}
        for name in entry.job_types if isinstance(entry, Task) else ():
            if name not in known:
                self._add(spot_of(node), f"there is no job type {name!r}; known: {', '.join(sorted(known))}")

    def _pairs(self, node: MappingNode) -> Iterator[tuple[str, Node]]:
        seen: set[str] = set()
        for key, value in pairs(node):
            if key in seen:
                self._add(spot_of(value), f"{key} is given twice")
            seen.add(key)
            yield key, value

    def _add(self, spot: Spot, reason: str, *, is_warning: bool = False) -> None:
        self.faults.append(Fault(spot.line, spot.column, reason, is_warning))
