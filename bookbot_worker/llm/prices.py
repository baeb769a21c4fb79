"""What an answer cost, and by whose word: the provider's own, the user's table, genai-prices, or nobody's.

Nothing here asks the network: the table of genai-prices comes with the package.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bookbot_worker.llm.client import Completion
from shared.llm_prices import TokenPrice

PROVIDER, USER_TABLE, GENAI_PRICES, UNKNOWN = "provider", "user table", "genai-prices", "unknown"
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """`usd` is None where nobody knows; `source` is the word stored beside it."""

    usd: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Prices:
    """The user's table, and the address of the provider, by which genai-prices knows it."""

    table: Mapping[str, TokenPrice]
    base_url: str = ""

    def cost_of(self, completion: Completion, asked_model: str) -> Cost:
        """The cost of an answer. A table may name the model as it was asked for, or as it was answered by."""
        if completion.cost_usd is not None:
            return Cost(completion.cost_usd, completion.cost_source or PROVIDER)
        for model in (completion.model, asked_model):
            if (price := self.table.get(model)) is not None:
                spent = completion.input_tokens * price.input + completion.output_tokens * price.output
                return Cost(spent / _MILLION, USER_TABLE)
        for model in (completion.model, asked_model):
            if (usd := self._listed(completion, model)) is not None:
                return Cost(usd, GENAI_PRICES)
        return Cost(None, UNKNOWN)

    def _listed(self, completion: Completion, model: str) -> float | None:
        """What genai-prices says; it must know the provider too, because prices differ between them."""
        if not self.base_url:
            return None
        from genai_prices import Usage, calc_price  # 0.13 s to import

        usage = Usage(input_tokens=completion.input_tokens, output_tokens=completion.output_tokens)
        try:
            return float(calc_price(usage, model, provider_api_url=self.base_url).total_price)
        except Exception:  # noqa: BLE001 - a fault of the price table must not cost an answer that was paid for
            return None
