"""`db upgrade` and `db check`: the schema of the database the settings name."""

import math

import click

from bookbot_worker.cli.database import checked_engine
from bookbot_worker.cli.output import one_line
from shared import schema
from shared.database import make_engine
from shared.settings import load_settings


@click.group()
def db() -> None:
    """Set up the database, or see whether it is up to date."""


@db.command()
def upgrade() -> None:
    """Create the tables, or bring them up to date. Safe to repeat, and while workers run."""
    engine = make_engine(load_settings(), io_limit=math.inf)  # a table may be large
    try:
        before = schema.current(engine)
        after = schema.upgrade(engine)
    finally:
        engine.dispose()
    click.echo(f"{after} (nothing to do)" if before == after else f"{after} (was {before or 'empty'})")


@db.command()
def check() -> None:
    """Exit 0 if the schema is the one this version needs, 78 if not."""
    engine = checked_engine()
    click.echo(one_line(schema.current(engine)))
