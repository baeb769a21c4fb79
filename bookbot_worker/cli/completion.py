"""`completion`: what a shell needs to complete commands and options."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete commands.

    \b
    bookbot-worker completion bash > ~/.local/share/bash-completion/completions/bookbot-worker
    bookbot-worker completion zsh > "${fpath[1]}/_bookbot-worker"
    bookbot-worker completion fish > ~/.config/fish/completions/bookbot-worker.fish
    """
    script = get_completion_class(shell)
    assert script is not None  # noqa: S101 - click has these three
    root = context.find_root()
    click.echo(script(root.command, {}, "bookbot-worker", "_BOOKBOT_WORKER_COMPLETE").source())
