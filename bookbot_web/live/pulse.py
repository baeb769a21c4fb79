"""The only place in the web tier that waits on descriptors: the tail's pause, which others can end."""

import os
import select
import threading


class Pulse:
    """A wait that ends early for `wake`, or when another descriptor becomes readable."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._lock = threading.Lock()
        self._is_woken = False
        self._is_closed = False

    def wake(self) -> None:
        """End the wait in progress, or the next one. From any thread."""
        with self._lock:
            if not self._is_woken and not self._is_closed:
                self._is_woken = True
                os.write(self._write, b"\0")

    def wait(self, seconds: float | None, other: int | None = None) -> bool:
        """Returns whether `other` became readable."""
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        if other is not None:
            poll.register(other, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(None if seconds is None else max(seconds, 0.0) * 1000)}
        if self._read in ready:
            with self._lock:
                self._is_woken = False
                os.read(self._read, 64)
        return other in ready

    def close(self) -> None:
        """Give the descriptors back; `wake` does nothing any more."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                os.close(self._read)
                os.close(self._write)
