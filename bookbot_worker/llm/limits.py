"""Whether one more call of a model may leave now, besides those of all workers. Pure: it is given the counts."""

from dataclasses import dataclass

MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one model, all workers together; 0: no limit."""

    in_flight: int = 0
    per_minute: int = 0

    def __bool__(self) -> bool:
        return bool(self.in_flight or self.per_minute)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Calls of one model: under way, and begun within the last minute."""

    in_flight: int = 0
    last_minute: int = 0


def over_limit(model: str, traffic: Traffic, limits: Limits) -> str | None:
    """Why no call may leave now, None where one may."""
    if limits.in_flight and traffic.in_flight >= limits.in_flight:
        return f"{model} answers {traffic.in_flight} calls already, the limit is {limits.in_flight} at a time"
    if limits.per_minute and traffic.last_minute >= limits.per_minute:
        return f"{model} was called {traffic.last_minute} times within a minute, the limit is {limits.per_minute}"
    return None
