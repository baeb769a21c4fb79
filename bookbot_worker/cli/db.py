"""`db upgrade`, `db check`, `db grants`, `db copy`: the schema and the data of the database the settings name."""

import math

import click

from bookbot_worker.cli.database import checked_engine, one_moment, writing
from bookbot_worker.cli.options import JSON_OPTION, option
from bookbot_worker.cli.output import one_line, print_json
from bookbot_worker.moving.copying import copy
from shared import schema
from shared.database import make_engine
from shared.errors import ConfigurationError, InvalidInput
from shared.grants import grants
from shared.settings import load_settings
from shared.views import check_ready


@click.group()
def db() -> None:
    """Set up the database, or see whether it is up to date.

    \b
    bookbot-worker db upgrade
    bookbot-worker db check
    """


@db.command()
def upgrade() -> None:
    """Create the tables, or bring them up to date. Safe to repeat, and while workers run.

    \b
    bookbot-worker db upgrade
    DATABASE_URL=postgresql://host/bookbot bookbot-worker db upgrade
    """
    engine = make_engine(load_settings(), io_limit=math.inf)  # a table may be large
    try:
        before = schema.current(engine)
        after = schema.upgrade(engine)
    finally:
        engine.dispose()
    click.echo(f"{after} (nothing to do)" if before == after else f"{after} (was {before or 'empty'})")


@db.command()
def check() -> None:
    """Exit 0 if the schema is the one this version needs, 78 if not.

    \b
    bookbot-worker db check
    """
    engine = checked_engine()
    click.echo(one_line(schema.current(engine)))


@db.command("grants")
@option("--role", default="bookbot_web", show_default=True, metavar="NAME", help="The role of bookbot-web.")
@click.option("--operate", is_flag=True, help="It may also pause and limit queues, and keep schedules.")
def grants_command(role: str, operate: bool) -> None:
    """Print the SQL that lets a role of its own serve the web, and do nothing else.

    Have the owner of the tables run it, after every upgrade.

    \b
    bookbot-worker db grants --role bookbot_web | psql "$DATABASE_URL"
    bookbot-worker db grants --operate
    """
    click.echo(grants(role, operate=operate))


@db.command("copy")
@option(
    "--from",
    "source_url",
    envvar="BOOKBOT_COPY_FROM",
    show_envvar=True,
    required=True,
    metavar="URL",
    help="The database to read; DATABASE_URL names the empty one to fill.",
)
@JSON_OPTION
def copy_(source_url: str, as_json: bool) -> None:
    """Copy another database into this empty one, all of it or nothing: say, from SQLite to PostgreSQL.

    Stop the workers of the other one first. It is only read.

    \b
    DATABASE_URL=postgresql://host/bookbot bookbot-worker db copy --from sqlite:///bookbot.db
    """
    try:
        source = make_engine(load_settings(database_url=source_url), io_limit=math.inf)
    except ConfigurationError as error:
        raise InvalidInput("from", str(error).removeprefix("DATABASE_URL: ")) from None
    target = make_engine(load_settings(), io_limit=math.inf)
    try:
        for engine in (source, target):
            check_ready(engine)
        with one_moment(source) as reader, writing(target) as writer:
            counts = copy(reader.connection(), writer.connection())
    finally:
        source.dispose()
        target.dispose()
    if as_json:
        print_json(counts)
        return
    for table, count in counts.items():
        click.echo(f"{table:<18} {count:>9}")
