"""`python -m bookbot_worker`, the same as the installed `bookbot-worker`.

Nothing is imported outside of `main`: a Ctrl-C while Python still reads our modules must end as any other does.
"""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        from bookbot_worker.cli.main import main as command

        command()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("\nInterrupted.\n")
        sys.exit(130)  # ExitCode.INTERRUPTED, which may not be importable yet


if __name__ == "__main__":
    main()
