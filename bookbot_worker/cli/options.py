"""The options of every command, and the two kinds of values click does not know.

An option with an empty value is what a script sends after a failed `book=$(…)`. It counts as a mistake, never as an
option that was left out: that would be another command.
"""

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

from shared.views import parse_instant

Decorated = TypeVar("Decorated", bound=Callable[..., Any] | click.Command)


class GivenOption(click.Option):
    """An option that was left out or has a value."""

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Raises UsageError that names the option."""
        values = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(text, str) and not text.strip() for text in values):
            raise click.UsageError(f"{max(self.opts, key=len)} is empty", ctx)
        return super().process_value(ctx, value)


def option(*names: str, **attributes: Any) -> Callable[[Decorated], Decorated]:
    """`click.option`, but a value that is empty is refused."""
    return click.option(*names, cls=GivenOption, **attributes)


JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="JSON with the column names, for programs.")


class Name(click.ParamType[str]):
    """A text of bounded length."""

    name = "name"

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Raises click's BadParameter."""
        text = str(value)
        if len(text) > self.limit:
            self.fail(f"{len(text)} characters, the limit is {self.limit}", param, ctx)
        return text


class Seconds(click.FloatRange):
    """A number of seconds; NaN is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Raises click's BadParameter."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return number


class Instant(click.ParamType[datetime]):
    """An instant in ISO 8601 with its time zone."""

    name = "time"

    def convert(self, value: Any, _param: click.Parameter | None, _context: click.Context | None) -> datetime:
        """Raises InvalidInput."""
        return value if isinstance(value, datetime) else parse_instant("run-at", str(value))
