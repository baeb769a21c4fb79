"""The page at /metrics: everything a worker counts and sees, put together."""

from collections.abc import Mapping, Sequence

from prometheus_client import ProcessCollector
from prometheus_client.exposition import choose_encoder
from sqlalchemy import Engine

from bookbot_worker.condition import Condition
from bookbot_worker.telemetry.database_figures import FigureReader
from bookbot_worker.telemetry.gauges import DatabaseGauges, WorkerGauges
from bookbot_worker.telemetry.metrics import Metrics
from shared.settings import Settings


class MetricsPage:
    """`meter` is for the engine to tell; `text` for who asks."""

    def __init__(
        self,
        settings: Settings,
        application: str,
        worker_id: str,
        condition: Condition,
        pools: Mapping[str, Engine],
        job_types: Sequence[str] = (),
    ) -> None:
        self._reader = FigureReader(settings, application)
        identity = {"worker_id": worker_id, "name": settings.worker_name}
        all_pools = {**pools, "metrics": self._reader.engine}
        self.meter = Metrics(
            job_types, (WorkerGauges(identity, condition, all_pools), DatabaseGauges(self._reader.read))
        )
        ProcessCollector(registry=self.meter.registry)

    def text(self, accept: str) -> tuple[str, bytes]:
        """The media type and the text, in the format that `accept` (the request's header) asks for."""
        encode, media_type = choose_encoder(accept)
        return media_type, encode(self.meter.registry)

    def close(self) -> None:
        """Let go of the database."""
        self._reader.close()
