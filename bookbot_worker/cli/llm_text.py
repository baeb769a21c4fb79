"""How a job's calls to an LLM read on a terminal: what was asked, what came, what it cost."""

from collections.abc import Sequence

import click

from bookbot_worker.cli.output import Row, block, one_line, shown


def usd(amount: float | None) -> str:
    """A sum for people; calls cost fractions of a cent."""
    return "" if amount is None else f"{amount:.4f}"


def spent(sums: Row) -> str | None:
    """What was spent, in one line; None where nothing was asked."""
    if not sums["calls"]:
        return None
    notes = [f"{sums[name]} {words}" for name, words in _NOTES.items() if sums[name]]
    more = f" ({', '.join(notes)})" if notes else ""
    tokens = f"{sums['input_tokens']} + {sums['output_tokens']} tokens"
    return f"{usd(sums['cost_usd'])} for {sums['calls']} calls, {tokens}{more}"


_NOTES = {"estimated": "with estimated tokens", "unpriced": "of unknown price"}


def print_calls(calls: Sequence[Row]) -> None:
    """The conversation of a job, call by call; texts are indented, so that none can pose as a line of ours."""
    if not calls:
        click.echo("No LLM was asked.", err=True)
    for number, call in enumerate(calls, 1):
        click.echo(f"{'' if number == 1 else chr(10)}{number}. {one_line(_head(call))}")
        for message in call["request"].get("messages", []):
            click.echo(f"  {shown(message['role'])}:\n    {block(message['content'], 4)}")
        if call["response"]:
            click.echo(f"  answer:\n    {block(call['response'], 4)}")
        if call["error"]:
            click.echo(f"  {shown(call['error_kind'])}: {block(call['error'], 4)}")


def _head(call: Row) -> str:
    """Who, how it ended, tokens, cost, time."""
    parts = [
        f"{call['provider']} {call['answered_model'] or call['model']}",
        call["status"] + (" (ignored since a fresh retry)" if call["is_ignored"] else ""),
        f"attempt {call['attempt']}",
        shown(call["created_at"]),
    ]
    if call["input_tokens"] is not None:
        about = "about " if call["is_estimate"] else ""
        parts.append(f"{about}{call['input_tokens']} + {call['output_tokens']} tokens")
    if call["cost_source"] is not None:
        cost = "cost unknown" if call["cost_usd"] is None else f"{usd(call['cost_usd'])} USD ({call['cost_source']})"
        parts.append(cost)
    if call["latency_ms"] is not None:
        parts.append(f"{call['latency_ms'] / 1000:.1f} s")
    return " · ".join(parts)
