"""How long a worker that leaves waits for its jobs. Pure arithmetic over seconds of one clock."""

URGENT_GRACE = 1.0
"""Seconds a job has to notice its token after a second request to stop."""

SHORTEST_WAIT = 0.01


class Departure:
    """First the drain time, in which jobs may finish; then, once they were asked to stop, the grace.

    `drain` and `grace` in seconds. A second request to stop asks at once, and shortens the grace.
    """

    def __init__(self, drain: float, grace: float) -> None:
        self._drain = drain
        self._grace = grace
        self._deadline: float | None = None
        self._has_asked = False
        self._is_urgent = False

    def must_ask(self, now: float, requests: int) -> bool:
        """Whether this is the moment to ask the jobs to stop. `requests`: how often the worker was asked to."""
        if self._deadline is None:
            self._deadline = now + self._drain
        is_urgent = requests > 1
        if is_urgent and not self._is_urgent:
            self._is_urgent = True
            self._deadline = now if not self._has_asked else min(self._deadline, now + URGENT_GRACE)
        if self._has_asked or now < self._deadline:
            return False
        self._has_asked = True
        self._deadline = now + (URGENT_GRACE if is_urgent else self._grace)
        return True

    def is_over(self, now: float) -> bool:
        """Whether nobody is waited for any longer."""
        return self._has_asked and self._deadline is not None and now >= self._deadline

    def seconds_left(self, now: float) -> float:
        """Until the next decision; never so little that waiting becomes spinning."""
        return SHORTEST_WAIT if self._deadline is None else max(self._deadline - now, SHORTEST_WAIT)
