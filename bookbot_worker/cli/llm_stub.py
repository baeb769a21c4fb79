"""`llm-stub`: the offline author over the OpenAI protocol, with faults on request."""

import contextlib
from pathlib import Path

import click

from bookbot_worker.cli.options import option


@click.command("llm-stub")
@option(
    "--port", type=click.IntRange(0, 65_535), default=0, show_default=True, help="Port on 127.0.0.1; 0: any free one."
)
@option(
    "--words-per-second", type=click.FloatRange(0, 100_000), default=0.0, show_default=True,
    help="Speed of the answers; 0: as fast as they are read.",
)  # fmt: skip
@option(
    "--record", type=click.Path(path_type=Path, dir_okay=False), help="Append one JSON line per event to this file."
)
@option(
    "--fault", "faults", multiple=True, metavar="FAULT[@N[-M]]",
    help="Do this wrong, at request N, N to M, or always; repeatable. A model's name can ask for it: NAME:FAULT.",
)  # fmt: skip
@option("--retry-after", default="1", show_default=True, help="What Retry-After says with fault 429.")
@option("--key", help="Accept this key only.  [default: any, and none]")
def llm_stub(
    port: int, words_per_second: float, record: Path | None, faults: tuple[str, ...], retry_after: str, key: str | None
) -> None:
    """Serve the offline author over the OpenAI protocol, for tests.

    On this machine only. Prints the base URL when it is ready, and serves until SIGTERM or Ctrl-C. It is a text
    generator for tests and demonstrations, no language model.

    \b
    bookbot-worker llm-stub --port 8111
    bookbot-worker llm-stub --words-per-second 40 --fault 429@1-3 --record calls.jsonl
    """
    from bookbot_worker.llm.stub import Rule, Stub, StubServer  # brings the web server; other commands start without
    from bookbot_worker.llm.stub.record import Record
    from bookbot_worker.llm.stub.server import listen

    try:
        rules = [Rule.parse(fault) for fault in faults]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from None
    try:
        bound = listen(port)
    except OSError as error:
        raise click.ClickException(f"port {port} cannot be used: {error.strerror}") from None
    stub = Stub(words_per_second, rules, key or "", retry_after, Record(record))
    server = StubServer(stub, click.echo)
    with contextlib.suppress(KeyboardInterrupt):
        server.run_on(bound)
