"""The figures of a worker's metrics page, as Prometheus would read them."""

import urllib.request
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Figures:
    """One reading of a page: samples by name and labels."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def get(self, name: str, **labels: str) -> float | None:
        """The value of the one sample with this name and exactly these labels; None where there is none."""
        return self.samples.get((name, frozenset(labels.items())))

    @property
    def names(self) -> set[str]:
        """The names of all samples."""
        return {name for name, _ in self.samples}


def parse(text: str) -> Figures:
    """Read the text format."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return Figures({(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples})


def scrape(port: int) -> Figures:
    """Ask the worker whose health page is on this port."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return parse(answer.read().decode())
