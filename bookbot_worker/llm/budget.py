"""Whether the money for one more call is there. Pure: the sums come from the ledger, the limits from the settings.

Nothing is estimated beforehand: a call may be made as long as the sum of what the ledger knows is below the budget, so
the calls that are in flight when it is reached go over it. What nobody knows the price of is not counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BOOK_PROP = "llm_budget_usd"
"""A book's prop: its own budget, which wins over the setting."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """In USD; None: no limit."""

    job: float | None = None
    book: float | None = None
    day: float | None = None

    @property
    def is_unlimited(self) -> bool:
        """Whether no sum needs to be known, but for what a book itself may say."""
        return self.job is None and self.book is None and self.day is None

    def for_book(self, props: Mapping[str, Any] | None) -> "Budgets":
        """These, with the book's own budget where its props hold one."""
        own = (props or {}).get(BOOK_PROP)
        is_amount = isinstance(own, int | float) and not isinstance(own, bool) and own >= 0
        return Budgets(self.job, float(own), self.day) if own is not None and is_amount else self


@dataclass(frozen=True, slots=True)
class Spent:
    """What the ledger knows was spent, in USD: by this job, for its book, by all jobs since midnight UTC."""

    job: float = 0.0
    book: float = 0.0
    day: float = 0.0


def over_budget(spent: Spent, budgets: Budgets) -> str | None:
    """Why no call may be made now, None where one may."""
    for whose, sum_, limit in (
        ("job", spent.job, budgets.job),
        ("book", spent.book, budgets.book),
        ("day", spent.day, budgets.day),
    ):
        if limit is not None and sum_ >= limit:
            return f"over the budget of the {whose}: {dollars(sum_)} of {dollars(limit)}"
    return None


def dollars(amount: float) -> str:
    """An amount for people: to the cent, or finer where that would show nothing."""
    return f"${amount:.2f}" if amount == 0 or amount >= 0.1 else f"${amount:.4f}"
