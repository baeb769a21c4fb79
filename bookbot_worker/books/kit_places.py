"""YAML with the places of what it says. Only plain data: no tags, no aliases, whose expansion could be of any size."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import yaml
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node, ScalarNode

from bookbot_worker.books.template import Fault


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file; both count from 1."""

    line: int = 1
    column: int = 1


class UnusableYaml(Exception):
    """It cannot be read as YAML, or not as plain data."""

    def __init__(self, spot: Spot, reason: str) -> None:
        super().__init__(reason)
        self.spot = spot
        self.reason = reason


class KitLoader(yaml.SafeLoader):
    """Refuses aliases."""

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """See `yaml.composer`. Raises UnusableYaml."""
        if self.check_event(AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise UnusableYaml(Spot(mark.line + 1, mark.column + 1), "aliases (*name) are not understood here")
        return super().compose_node(parent, index)

    @staticmethod
    def value_of(node: Node) -> Any:
        """The plain data of a node. Raises UnusableYaml."""
        with _explained(node):
            return KitLoader("").construct_object(node, deep=True)


def compose(text: str) -> Node | None:
    """The document's node, None where it is empty. Raises UnusableYaml."""
    with _explained(None):
        return KitLoader(text).get_single_node()


@contextmanager
def _explained(node: Node | None) -> Iterator[None]:
    """What PyYAML raises becomes UnusableYaml."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        spot = Spot(mark.line + 1, mark.column + 1) if mark else Spot()
        raise UnusableYaml(spot, " ".join(filter(None, (error.problem, error.context)))) from None
    except RecursionError:
        raise UnusableYaml(spot_of(node), "it is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UnusableYaml(spot_of(node), " ".join(str(error).split())) from None


def pairs(node: MappingNode) -> Iterator[tuple[str, Node]]:
    """The keys of a mapping as text, each with the node of its value."""
    for key, value in node.value:
        yield str(key.value) if isinstance(key, ScalarNode) else "?", value


def spot_of(node: Node | None) -> Spot:
    """Where a node begins."""
    return Spot(node.start_mark.line + 1, node.start_mark.column + 1) if node is not None else Spot()


def spots_in(node: ScalarNode, lines: Sequence[str], faults: Sequence[Fault]) -> Iterator[Fault]:
    """The faults of the text of `node` as faults of the file whose `lines` these are.

    In a folded or quoted text their places cannot be told: then it is the place of the text, and the reason says more.
    """
    start = spot_of(node)
    told = str(node.value).split("\n")
    first = lines[start.line - 1][start.column - 1 :]
    quote = 1 if node.style in ("'", '"') else 0
    for fault in faults:
        said, line = told[fault.line - 1], start.line + fault.line
        if node.style == "|" and line <= len(lines) and lines[line - 1].endswith(said):
            yield replace(fault, line=line, column=len(lines[line - 1]) - len(said) + fault.column)
        elif fault.line == 1 and first.startswith(said, quote):
            yield replace(fault, line=start.line, column=start.column + quote + fault.column - 1)
        else:
            reason = f"line {fault.line}, column {fault.column} of the prompt: {fault.reason}"
            yield replace(fault, line=start.line, column=start.column, reason=reason)
