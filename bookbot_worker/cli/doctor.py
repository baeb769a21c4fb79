"""`doctor`: looks at everything that must be well for jobs to run, and says of each what to do."""

from collections.abc import Iterator
from pathlib import Path

import click
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bookbot_worker.cli.checks import Check, Finding, Level, fail, look, ok
from bookbot_worker.cli.checks.foundations import check_database, check_jobs, check_schema, shown_settings
from bookbot_worker.cli.checks.keeping import check_archive, check_log, check_size, check_slots, check_standbys
from bookbot_worker.cli.checks.provider import check_llm
from bookbot_worker.cli.checks.server import check_compiling, check_connections, check_durability, check_notices
from bookbot_worker.cli.checks.sqlite_file import check_file
from bookbot_worker.cli.checks.vacuum import check_autovacuum, check_dead_rows, check_old_snapshots, check_prepared
from bookbot_worker.cli.checks.work import check_clock, check_queues, check_schedules, check_stuck_jobs, check_workers
from bookbot_worker.cli.explaining import explain
from bookbot_worker.cli.options import JSON_OPTION
from bookbot_worker.cli.output import one_line, print_json
from shared.database import is_postgresql, make_engine, read_only
from shared.errors import ConfigurationError
from shared.settings import Settings, load_settings

_WORK: tuple[tuple[str, Check], ...] = (
    ("clock", check_clock),
    ("workers", check_workers),
    ("queues", check_queues),
    ("stuck jobs", check_stuck_jobs),
    ("schedules", check_schedules),
)
_POSTGRESQL: tuple[tuple[str, Check], ...] = (
    ("dead rows", check_dead_rows),
    ("autovacuum", check_autovacuum),
    ("old snapshots", check_old_snapshots),
    ("prepared transactions", check_prepared),
    ("replication slots", check_slots),
    ("standbys", check_standbys),
    ("write-ahead log", check_log),
    ("archive", check_archive),
    ("size", check_size),
    ("durability", check_durability),
    ("connections", check_connections),
    ("notices", check_notices),
    ("jit", check_compiling),
)

_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


@click.command()
@click.option("--settings", "with_settings", is_flag=True, help="Also every setting in force, secrets masked.")
@JSON_OPTION
@click.pass_context
def doctor(context: click.Context, with_settings: bool, as_json: bool) -> None:
    """Look whether all is well; say what is wrong and what to do.

    That is: settings, database, tables, workers, queues, schedules, storage and the LLM. It changes nothing, and exits
    with 1 if a check fails; warnings alone are 0.

    \b
    bookbot-worker doctor
    bookbot-worker doctor --json
    """
    settings: Settings | None = None
    try:
        settings = load_settings()
        findings = [ok("settings", "all can be read"), *examine(settings)]
    except ConfigurationError as error:
        findings = [fail("settings", str(error), "correct it in the environment or in .env; see docs/settings.md")]
    shown = (
        shown_settings(settings) if settings and (with_settings or as_json) and findings[0].level is Level.OK else {}
    )
    if as_json:
        print_json({"checks": [_row(finding) for finding in findings], "settings": shown})
    else:
        _print(findings)
        for name, value in shown.items():
            click.echo(f"{name}={one_line(value)}")
    if any(finding.level is Level.FAIL for finding in findings):
        context.exit(1)


def examine(settings: Settings) -> Iterator[Finding]:
    """Every check whose ground is firm: without a database there is no looking at jobs. Raises ConfigurationError."""
    engine = make_engine(settings, io_limit=5.0)
    try:
        yield check_jobs(settings)
        yield check_llm(settings)
        database = check_database(engine)
        yield database
        if database.level is Level.FAIL:
            return
        schema = check_schema(engine)
        yield schema
        if schema.level is not Level.FAIL:
            yield from _look_inside(engine)
    finally:
        engine.dispose()


def _look_inside(engine: Engine) -> Iterator[Finding]:
    try:
        for name, check in (*_WORK, *(_POSTGRESQL if is_postgresql(engine) else ())):
            with Session(read_only(engine)) as session:
                yield from look(name, check, session)
        if not is_postgresql(engine):
            yield from check_file(Path(str(engine.url.database)).resolve())
    except SQLAlchemyError as error:
        yield fail("database", explain(error)[0], "look at the database's log, then run doctor again")


def _row(finding: Finding) -> dict[str, str | None]:
    names = ("check", "level", "detail", "advice")
    return {name: getattr(finding, name) for name in names}


def _print(findings: list[Finding]) -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        level = click.style(f"{finding.level:<4}", fg=_STYLES[finding.level])
        click.echo(f"{level}  {finding.check:<{width}}  {one_line(finding.detail)}")
        if finding.advice:
            click.echo(f"{'':6}{'':<{width}}  → {one_line(finding.advice)}")
