"""Charts as plain shapes: figures in, rectangles and lines out; the template writes them as SVG. Pure.

A chart has its own coordinates, which the page scales; every chart has its figures in words beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720.0, 140.0
_NICE = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a column, in the colour of `kind`."""

    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True, slots=True)
class Line:
    """Points of a line as SVG takes them; a gap in the figures begins another line."""

    points: str
    kind: str


def top_of(largest: float) -> float:
    """The end of a scale that begins at 0: a round figure not below the largest; 1 where there is nothing."""
    if largest <= 0:
        return 1.0
    power = 1.0
    while power * 10 < largest:
        power *= 10
    while power > largest:
        power /= 10
    return next(power * step for step in _NICE if power * step >= largest)


def stacked(columns: Sequence[Sequence[tuple[str, float]]], top: float) -> list[Bar]:
    """Columns of (kind, figure) parts, the first part at the bottom, on a scale that ends at `top`."""
    step = WIDTH / max(1, len(columns))
    bars = []
    for number, parts in enumerate(columns):
        floor = HEIGHT
        for kind, figure in parts:
            if figure > 0:
                height = max(1.0, figure / top * HEIGHT)
                floor -= height
                bars.append(
                    Bar(
                        round(number * step + step * 0.1, 2),
                        round(floor, 2),
                        round(step * 0.8, 2),
                        round(height, 2),
                        kind,
                    )
                )
    return bars


def lines(figures: Sequence[float | None], top: float, kind: str) -> list[Line]:
    """The figures from left to right; None interrupts. A figure alone becomes a short dash."""
    step = WIDTH / max(1, len(figures))
    found: list[Line] = []
    points: list[tuple[float, float]] = []

    def end() -> None:
        if len(points) == 1:
            x, y = points[0]
            points.append((x + step * 0.4, y))
        if points:
            found.append(Line(" ".join(f"{x:.1f},{y:.1f}" for x, y in points), kind))
        points.clear()

    for number, figure in enumerate(figures):
        if figure is None:
            end()
        else:
            points.append((step * (number + 0.5), HEIGHT - min(figure / top, 1.0) * HEIGHT))
    end()
    return found
