"""`costs`: what LLMs have cost, summed up from the ledger."""

import click

from bookbot_worker.cli.database import reading
from bookbot_worker.cli.llm_text import usd
from bookbot_worker.cli.options import JSON_OPTION, option
from bookbot_worker.cli.tables import Column, print_rows
from shared.views import GROUPS, By, list_costs


@click.command()
@option("--by", type=click.Choice(GROUPS), default="day", show_default=True, help="What to sum up for.")
@option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@JSON_OPTION
def costs(by: By, limit: int, as_json: bool) -> None:
    """Show what LLMs have cost.

    By day (UTC), book, model, job, or source of the price.

    \b
    bookbot-worker costs
    bookbot-worker costs --by book --limit 10
    """
    with reading() as session:
        rows = list_costs(session, by=by, limit=limit)
    columns = (
        Column(by.upper(), lambda row: row[by] or "-"),
        Column("CALLS", lambda row: row["calls"]),
        Column("INPUT_TOKENS", lambda row: row["input_tokens"], is_optional=True),
        Column("OUTPUT_TOKENS", lambda row: row["output_tokens"], is_optional=True),
        Column("UNPRICED", lambda row: row["unpriced"]),
        Column("COST_USD", lambda row: usd(row["cost_usd"])),
    )
    print_rows(rows, columns, as_json=as_json, empty="No LLM was asked yet.")
