"""`stats`: the figures of the moment and of the near past."""

import click

from bookbot_worker.cli.database import reading
from bookbot_worker.cli.options import JSON_OPTION, option
from bookbot_worker.cli.output import Row, print_fields, print_json
from bookbot_worker.cli.queues import COLUMNS
from bookbot_worker.cli.tables import print_rows
from shared.views.stats import LONGEST_WINDOW
from shared.views.stats import stats as read_stats

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Span(click.ParamType[int]):
    """A span of time such as 90s, 15m, 12h or 30d, in seconds."""

    name = "span"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Raises click's BadParameter."""
        text = str(value)
        if isinstance(value, int):
            return value
        if text[-1:] not in UNITS or not text[:-1].isdecimal() or len(text) > 10:
            self.fail(f"{text!r} is no span of time; such as 90s, 15m, 12h or 30d", param, ctx)
        return int(text[:-1]) * UNITS[text[-1]]


@click.command()
@option("--window", type=Span(), default="1h", show_default=True, help="How far to look back, at most 7d.")
@JSON_OPTION
def stats(window: int, as_json: bool) -> None:
    """Show what waits and runs, and how fast jobs came and went.

    \b
    bookbot-worker stats
    bookbot-worker stats --window 24h --json
    """
    if window > LONGEST_WINDOW:
        raise click.UsageError("--window is longer than 7d")
    with reading() as session:
        found = read_stats(session, window)
    if as_json:
        print_json(found)
        return
    ended = ", ".join(f"{count} {state}" for state, count in found["finished"].items() if count)
    print_fields(
        [
            ("waiting", found["waiting"]),
            ("oldest due since", found["oldest_due_at"]),
            ("running", f"{found['running']} in {found['slots']} slots of {found['workers']} workers"),
            ("ended", f"{ended or 'nothing'}, {found['finished_per_minute']:g} a minute"),
            ("waited", _spread(found["wait_seconds"])),
            ("took", _spread(found["duration_seconds"])),
        ]
    )
    if found["queues"]:
        click.echo()
        print_rows(found["queues"], COLUMNS, as_json=False, empty="")


def _spread(figures: Row | None) -> str:
    return "" if figures is None else ", ".join(f"{name} {value:g} s" for name, value in figures.items())
