"""Rounds into medians, medians into a table and a document."""

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from benchmarks.cases import Case
from benchmarks.machine import MOST_OTHERS
from benchmarks.place import Figures


@dataclass
class Runs:
    """All runs of one case: by contestant, its figures and the part of the machine that others took meanwhile."""

    case: Case
    runs: dict[str, list[tuple[Figures, float]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, contestant: str, figures: Figures, others: float) -> None:
        """One run."""
        self.runs[contestant].append((figures, others))

    def undisturbed(self, contestant: str) -> int:
        """How many of its runs count."""
        return sum(others <= MOST_OTHERS for _, others in self.runs[contestant])

    def medians(self, contestant: str, *, even_disturbed: bool) -> Figures:
        """The median of each figure, over the runs that count."""
        kept = [figures for figures, others in self.runs[contestant] if even_disturbed or others <= MOST_OTHERS]
        names = dict.fromkeys(name for figures in kept for name in figures)
        return {name: statistics.median(figures[name] for figures in kept if name in figures) for name in names}

    def document(self, *, even_disturbed: bool) -> dict[str, Any]:
        """Medians, ratios of this project to the others (above 1: this project is better), and what was thrown away."""
        medians = {name: self.medians(name, even_disturbed=even_disturbed) for name in self.runs}
        ours, *rest = self.runs
        return {
            "title": self.case.title,
            "medians": medians,
            "ratios": {
                name: ratio for name in rest if (ratio := self._ratio(medians[ours], medians[name])) is not None
            },
            "others_took": {name: [round(others, 3) for _, others in runs] for name, runs in self.runs.items()},
        }

    def _ratio(self, ours: Figures, theirs: Figures) -> float | None:
        if not ours.get(self.case.counts) or not theirs.get(self.case.counts):
            return None
        ratio = ours[self.case.counts] / theirs[self.case.counts]
        return ratio if self.case.is_rate else 1 / ratio


def table(case: Case, document: dict[str, Any]) -> str:
    """A case as people read it."""
    lines = [f"\n{case.name}: {document['title']}"]
    for name, medians in document["medians"].items():
        figures = " · ".join(f"{value:,.{_digits(value)}f} {unit}" for unit, value in medians.items())
        ratio = document["ratios"].get(name)
        lines.append(f"  {name:30} {figures or 'no undisturbed run'}" + (f"   (×{ratio:.2f})" if ratio else ""))
    return "\n".join(lines)


def _digits(value: float) -> int:
    return 0 if value >= 100 else 1 if value >= 10 else 2
