"""What one worker needs to ask its LLM and to keep the books about it; one for all its jobs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import Engine

from bookbot_worker.llm.admission import Rules
from bookbot_worker.llm.breaker import Policy
from bookbot_worker.llm.budget import Budgets
from bookbot_worker.llm.client import LLM, Prompt
from bookbot_worker.llm.ledger_rows import Asked
from bookbot_worker.llm.limits import Limits
from bookbot_worker.llm.prices import Prices
from bookbot_worker.llm.request import hash_of, request_of, storable
from bookbot_worker.meter import Meter
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Life:
    """What the ledger must know of the attempt it keeps books for.

    `check` and `wait` raise JobCancelled when the attempt is asked to stop. `before_spending` returns when this worker
    may start what costs money. `holds_the_writer`: on SQLite, whether the job itself keeps all others from writing.
    """

    check: Callable[[], None]
    wait: Callable[[timedelta], None]
    before_spending: Callable[[], None]
    holds_the_writer: Callable[[], bool] = lambda: False


class Desk:
    """`engine` is the ledger's own, not the one of jobs: what is written there survives a job's rollback."""

    def __init__(self, author: LLM, engine: Engine, settings: Settings, meter: Meter | None = None) -> None:
        self.author = author
        self.meter = meter or Meter()
        self.engine = engine
        self.prices = Prices(settings.llm_prices, settings.llm_base_url)
        self.rules = Rules(
            Budgets(settings.llm_budget_job_usd, settings.llm_budget_book_usd, settings.llm_budget_day_usd),
            Limits(settings.llm_max_in_flight, settings.llm_requests_per_minute),
            Policy(settings.llm_pause_after, timedelta(seconds=settings.llm_pause_seconds)),
        )
        self._provider = urlsplit(settings.llm_base_url).netloc or settings.llm
        self._model = settings.llm_model or settings.llm

    def asked(self, prompt: Prompt) -> Asked:
        """The request as the ledger knows it."""
        request = request_of(prompt)
        return Asked(self._provider[:64], storable(prompt.model or self._model)[:200], request, hash_of(request))
