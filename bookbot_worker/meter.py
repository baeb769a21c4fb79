"""What the engine says about its work to whoever counts it. This one counts nothing: nobody asks for figures.

A worker with a health page has a `Metrics` in its place. The engine knows only these names, not who reads the figures;
each is called where the fact is certain, and must not raise nor wait.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bookbot_worker.outcomes import Outcome
from shared.models import Job


class Meter:
    """Counts nothing. Its methods are safe from any thread."""

    def claimed(self, jobs: Sequence[Job]) -> None:
        """These have just been claimed; their rows are as the claim returned them."""

    def ended(self, job_type: str, outcome: Outcome | None, seconds: float, lines: int) -> None:
        """An attempt was settled with `outcome`, None where its claim was lost, `seconds` after it was claimed.

        `lines`: how many lines it has added to its job's log.
        """

    def rescued(self, fate: str) -> None:
        """A job was taken from a dead worker: it runs again, is given up, or was cancelled (`orphans.Fate`)."""

    def called(self, model: str, entry: Mapping[str, Any]) -> None:
        """An LLM's `model` was asked; `entry` are the columns of the ledger that say how it ended."""

    def beat_missed(self) -> None:
        """A beat did not reach the database."""

    def database_failed(self, tries: int) -> None:
        """The database did not serve the loop, for the `tries`-th time in a row; 1 is the beginning of an outage."""
