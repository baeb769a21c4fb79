"""Asking before many things are changed: on a terminal a person, elsewhere only `--yes` will do."""

import sys

import click

YES_OPTION = click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
DRY_RUN_OPTION = click.option("--dry-run", "is_dry_run", is_flag=True, help="Only say how many there are.")


def confirm(question: str, is_sure: bool) -> None:
    """Go on, or raise: UsageError where nobody can be asked, Abort where the answer is no."""
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Say --yes where nobody can be asked")
    click.confirm(question, abort=True, err=True)
