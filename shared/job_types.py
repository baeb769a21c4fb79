"""The catalogue of job types: all a web process needs to accept a job, without the code that runs it.

A job type is a name, a model of its props, what it locks, and its policies. The worker adds the class
(`JobProcessor.register`), and registration checks the two against each other. An application's own types are
added with `catalogue().add(…)`, or by naming their module in BOOKBOT_JOB_TYPES (its `JOB_TYPES` is read).
"""

import difflib
import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.errors import ConfigurationError, InvalidInput, UnknownJobType
from shared.export_props import LANGUAGE_TAG, ExportBookProps, ExportFormat
from shared.props import Props
from shared.settings import load_settings
from shared.states import LockScope

__all__ = [
    "BUILT_IN",
    "LANGUAGE_TAG",
    "MODES",
    "Catalogue",
    "ExportBookProps",
    "ExportFormat",
    "JobType",
    "Props",
    "catalogue",
]

Mode = Literal["write", "rewrite", "edit", "copyedit", "review"]
MODES: tuple[Mode, ...] = get_args(Mode)
"""What `generate_chunk` can do to a scene; all but "write" need one that has text."""

_MODEL = "which model is asked; empty: what the settings say"


class AnyProps(BaseModel):
    """Props of a job type that accepts any JSON object."""

    model_config = ConfigDict(extra="allow", frozen=True)


class DemoProps(Props):
    """For `demo`: how much to pretend."""

    steps: int = Field(5, ge=1, le=1000, description="how many steps it takes")
    seconds: float = Field(2.5, ge=0, le=3600, description="how long all of them take together")


class CreateFoundationProps(Props):
    """For `create_foundation`: None means the book's own brief and style are used; a model, what the settings say."""

    brief: str | None = Field(
        None,
        min_length=1,
        description="what the book is about; empty: its own brief",
        json_schema_extra={"format": "markdown"},
    )
    style: str | None = Field(
        None,
        min_length=1,
        description="how it is to be written; empty: its own style",
        json_schema_extra={"format": "markdown"},
    )
    model: str | None = Field(None, min_length=1, max_length=200, description=_MODEL)


class GenerateChunkProps(Props):
    """For `generate_chunk`: which scene, and how. `bot` and `task` are names of the book's bots and tasks.

    Where `target_words` is not given, a scene that has text keeps about its length.
    """

    chunk_id: str | None = Field(None, description="the id of the scene")
    mode: Mode = Field("write", description="what is done to the scene")
    bot: str | None = Field(None, description="who does it, by name; empty: whoever does this by default")
    task: str | None = Field(None, description="what is asked for, by name; empty: what the mode asks for")
    model: str | None = Field(None, min_length=1, max_length=200, description=_MODEL)
    target_words: int = Field(500, ge=50, le=20_000, description="how long; a scene that has text keeps its length")
    temperature: float | None = Field(None, ge=0, le=2, description="how freely it writes; empty: as the bot does")


class GenerateBookProps(Props):
    """For `generate_book`: all scenes of a book, then its exports.

    `only_empty`: leave scenes that have text; the default for "write". The other modes take the scenes that have text.
    """

    mode: Mode = Field("write", description="what is done to the scenes")
    only_empty: bool | None = Field(None, description="leave scenes that have text; with mode write, the default")
    export_formats: tuple[ExportFormat, ...] = Field(
        ("epub", "markdown"), description="the files that are made when all is written"
    )
    bot: str | None = Field(None, description="who does it, by name; empty: whoever does this by default")
    task: str | None = Field(None, description="what is asked for, by name; empty: what the mode asks for")
    target_words: int = Field(500, ge=50, le=20_000, description="how long each scene is to be")
    model: str | None = Field(None, min_length=1, max_length=200, description=_MODEL)

    @model_validator(mode="after")
    def _empty_scenes_can_only_be_written(self) -> "GenerateBookProps":
        if self.only_empty and self.mode != "write":
            raise ValueError(f"only_empty goes with mode write; there is nothing to {self.mode} in an empty scene")
        return self


class PruneProps(Props):
    """For `prune`: forget jobs that ended so many days ago; `states`: only those in these, if any are named."""

    older_than_days: float = Field(90, ge=0, le=36_500)
    states: tuple[Literal["completed", "failed", "error", "cancelled"], ...] | None = None
    batch: int = Field(1000, ge=1, le=10_000)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a job may be started, and how long to wait between: exponential with full jitter.

    One attempt is the default: an exception is final unless a type says otherwise.
    """

    max_attempts: int = 1
    first_delay: timedelta = timedelta(seconds=2)
    longest_delay: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class JobType:
    """What is known about jobs of one name before any of them runs. `timeout` bounds one attempt.

    `is_about_book`: such a job must name its book, even if it locks nothing.
    """

    name: str
    props: type[BaseModel]
    locks: LockScope | None = None
    queue: str = "default"
    retry: RetryPolicy = RetryPolicy()
    timeout: timedelta = timedelta(hours=1)
    description: str = ""
    is_about_book: bool = False

    @property
    def needs_book(self) -> bool:
        """Whether a job of this type is always about a book."""
        return self.is_about_book or self.locks is not None

    def validate(self, props: dict[str, Any], *, strictly: bool = False) -> BaseModel:
        """The typed props; `strictly`: no "5" for 5, no false for 0. Raises InvalidInput naming the first fault."""
        try:
            if strictly:
                return self.props.model_validate_json(json.dumps(props), strict=True)
            return self.props.model_validate(props)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            path = ".".join(["props", *(str(part)[:80] for part in first["loc"])])
            raise InvalidInput(path, str(first["msg"]).removeprefix("Value error, ")[:300]) from None


class Catalogue:
    """All job types by name."""

    def __init__(self, job_types: tuple[JobType, ...] = ()) -> None:
        self._by_name = {job_type.name: job_type for job_type in job_types}

    def add(self, job_type: JobType) -> None:
        """Declare one more. Raises ConfigurationError where the name is taken by a different type."""
        if self._by_name.setdefault(job_type.name, job_type) != job_type:
            raise ConfigurationError(f"two job types are called {job_type.name!r}")

    def get(self, name: str) -> JobType:
        """The type called `name`. Raises UnknownJobType with a suggestion."""
        try:
            return self._by_name[name]
        except (KeyError, TypeError):
            close = difflib.get_close_matches(str(name)[:80], self._by_name, n=1)
            raise UnknownJobType(str(name), sorted(self._by_name), close[0] if close else None) from None

    def __iter__(self) -> Iterator[JobType]:
        return iter(sorted(self._by_name.values(), key=lambda job_type: job_type.name))


ASKS_AN_LLM = RetryPolicy(max_attempts=6, first_delay=timedelta(seconds=10), longest_delay=timedelta(minutes=10))
"""Providers have bad minutes: five more attempts, on average spread over two and a half of them, at most over five."""

BUILT_IN = (
    JobType("demo", DemoProps, description="Logs, progresses and honours cancel: tries the system without a book."),
    JobType(
        "prune", PruneProps, description="Forgets jobs that ended long ago, with their logs; see docs/operations.md."
    ),
    JobType(
        "create_foundation",
        CreateFoundationProps,
        locks=LockScope.BOOK,
        retry=ASKS_AN_LLM,
        description="From brief and style to outline, characters, settings and empty scenes.",
    ),
    JobType(
        "generate_chunk",
        GenerateChunkProps,
        locks=LockScope.CHUNK,
        retry=ASKS_AN_LLM,
        timeout=timedelta(minutes=20),
        description="Writes, rewrites, edits, copyedits or reviews one scene, as a new version.",
    ),
    JobType(
        "generate_book",
        GenerateBookProps,
        description="Writes every empty scene, or revises every written one, then exports the book.",
        is_about_book=True,
    ),
    JobType(
        "export_book", ExportBookProps, description="Builds a finished file from the latest text.", is_about_book=True
    ),
)


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """The catalogue of this process: the built-in types and those of the modules in BOOKBOT_JOB_TYPES.

    Raises ConfigurationError where such a module cannot be imported, or its JOB_TYPES are something else.
    """
    known = Catalogue(BUILT_IN)
    for module_name in load_settings().job_types:
        declared = import_setting("BOOKBOT_JOB_TYPES", module_name, "JOB_TYPES")
        if not isinstance(declared, list | tuple) or not all(isinstance(item, JobType) for item in declared):
            raise ConfigurationError(f"BOOKBOT_JOB_TYPES: {module_name}.JOB_TYPES must be a list of JobType")
        for job_type in declared:
            known.add(job_type)
    return known


def import_setting(setting: str, module_name: str, attribute: str) -> Any:
    """`attribute` of the module a setting names.

    Raises ConfigurationError with the reason in one line, whatever importing a module of the user's raises.
    """
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except Exception as error:
        reason = str(error) if isinstance(error, ImportError | AttributeError) else f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"{setting}: cannot use {module_name!r}: {reason}") from error
