"""What a book starts with: the default bots, tasks and prompts that come with the package.

Owns loading and checking them. What a book does with them afterwards is its own: they become chunks there.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from bookbot_worker.books.template import uses
from shared.job_types import Mode

PromptName = Literal["outline", "characters", "settings"]


class _Entry(BaseModel):
    """Base of what the YAML files list: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200)
    prompt: str = Field(min_length=1)


class Bot(_Entry):
    """Who writes: `prompt` is the system prompt; None leaves temperature or model to the LLM's settings.

    `modes` are what the bot is for when none is named; empty means all.
    """

    temperature: float | None = Field(None, ge=0, le=2)
    model: str | None = Field(None, min_length=1, max_length=200)
    modes: tuple[Mode, ...] = ()

    def suits(self, mode: str) -> bool:
        """Whether the bot may be chosen for this mode without being named."""
        return not self.modes or mode in self.modes


class Task(_Entry):
    """What to do: `prompt` is a template (`template.py`). Empty `job_types` or `modes` means all of them.

    `llm_group` says what kind of model suits it ("writing", "planning").
    """

    llm_group: str = Field("writing", min_length=1, max_length=64)
    job_types: tuple[str, ...] = ()
    modes: tuple[Mode, ...] = ()

    @field_validator("prompt")
    @classmethod
    def _is_a_template(cls, prompt: str) -> str:
        try:
            uses(prompt)
        except Exception as error:
            raise ValueError(str(error)) from error
        return prompt

    def applies_to(self, job_type: str, mode: str) -> bool:
        """Whether a job of this type and mode may use the task."""
        return job_type in (self.job_types or (job_type,)) and mode in (self.modes or (mode,))


Entry = TypeVar("Entry", Bot, Task)
Form = Literal["markdown", "json"]


@lru_cache(maxsize=1)
def default_bots() -> tuple[Bot, ...]:
    """The bots of `bots.yaml`; the first is the default. Raises pydantic's ValidationError for a faulty file."""
    return TypeAdapter(tuple[Bot, ...]).validate_python(_yaml("bots.yaml"))


@lru_cache(maxsize=1)
def default_tasks() -> tuple[Task, ...]:
    """The tasks of `tasks.yaml` in order of preference. Raises pydantic's ValidationError for a faulty file."""
    return TypeAdapter(tuple[Task, ...]).validate_python(_yaml("tasks.yaml"))


@lru_cache(maxsize=8)
def prompt(name: PromptName, form: Form = "markdown") -> str:
    """The template that asks for an outline, characters or settings, and for the answer in this form.

    The last two find the outline as `OutlineSection`.
    """
    folder = files("bookbot_worker.books") / "prompts"
    question, answer = ((folder / f"{part}.md").read_text(encoding="utf-8") for part in (name, f"{name}.{form}"))
    return f"{question.rstrip()}\n\n{answer}"


def named(entries: Sequence[Entry], name: str) -> Entry | None:
    """The entry called `name`, case aside; None where there is none."""
    return next((entry for entry in entries if entry.name.casefold() == name.casefold()), None)


def _yaml(name: str) -> Any:
    return yaml.safe_load((files("bookbot_worker.books") / name).read_text(encoding="utf-8"))
