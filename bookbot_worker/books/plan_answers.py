"""What of an answer to a question for an outline, characters or settings can be used, and what is wrong with it.

An answer is read as what it is, JSON or Markdown, whichever was asked for. Pure text in, values out.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from bookbot_worker.books import outline, sections
from bookbot_worker.books.answers import bare
from bookbot_worker.books.library import PromptName
from bookbot_worker.books.outline import MOST_SCENES
from bookbot_worker.books.plans import CharactersPlan, OutlinePlan, Plan, SettingsPlan
from shared.text import clean

_PLANS: dict[PromptName, type[Plan]] = {
    "outline": OutlinePlan,
    "characters": CharactersPlan,
    "settings": SettingsPlan,
}
_MOST_FAULTS, _MOST_CHARACTERS = 10, 300
_MOST_NAMES = 200


@dataclass(frozen=True, slots=True)
class Reading:
    """`markdown` is None where nothing of the answer can be used. `faults` are words for whoever gave the answer."""

    markdown: str | None
    faults: tuple[str, ...] = ()


def schema_of(kind: PromptName) -> dict[str, Any]:
    """The JSON Schema to ask with, the same in every process."""
    return _PLANS[kind].model_json_schema()


def read_answer(kind: PromptName, answer: str, needed: Sequence[str] = ()) -> Reading:
    """The outline or the sections in `answer`; `needed` are the names that should have a section.

    An answer may have faults and be of use all the same: an outline with a scene that is set nowhere, sheets that
    forget somebody.
    """
    text = bare(answer)
    markdown, faults = _read_json(_PLANS[kind], text) if _is_json(text) else (text, [])
    if markdown is None:
        return Reading(None, _few(faults))
    if kind == "outline":
        count = len(outline.parse(markdown).scenes)
        if not 1 <= count <= MOST_SCENES:
            wrong = f"there are more than {MOST_SCENES} scenes" if count else "there is no scene"
            return Reading(None, _few([wrong, *faults]))
    else:
        missing = sections.missing(markdown, needed[:_MOST_NAMES])
        faults = [*faults, *(f"there is no section for {name}" for name in missing)]
        if needed and not sections.split(markdown):
            return Reading(None, _few(faults))
    return Reading(markdown, _few(faults))


def _is_json(text: str) -> bool:
    """Whether an object stands before anything that looks like our Markdown."""
    start = text.find("{")
    return start >= 0 and not any(line.startswith("#") for line in text[:start].splitlines())


def _read_json(plan: type[Plan], text: str) -> tuple[str | None, list[str]]:
    text = text[text.index("{") : text.rfind("}") + 1] or text
    try:
        found = plan.model_validate(json.loads(text))
    except ValidationError as error:
        return None, [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
    except (ValueError, RecursionError) as error:
        return None, [f"it is not JSON: {error}"]
    return found.markdown(), list(found.faults())


def _few(faults: Iterable[str]) -> tuple[str, ...]:
    def shown() -> Iterator[str]:
        for number, fault in enumerate(faults):
            if number == _MOST_FAULTS:
                yield "and more of the kind"
                return
            yield clean(fault[:_MOST_CHARACTERS], _MOST_CHARACTERS)

    return tuple(shown())
