"""Running a processor in a thread of another program: a development server, a test, the demo."""

import threading
from abc import ABC, abstractmethod

import structlog

log = structlog.get_logger()


class InBackground(ABC):
    """What can `run` until it is asked to stop can do so in a thread. What ends it early is kept in `failure`."""

    failure: BaseException | None = None
    _thread: threading.Thread | None = None

    @abstractmethod
    def run(self) -> None:
        """Work until asked to stop."""

    @abstractmethod
    def request_stop(self) -> None:
        """Ask it to. Safe from any thread."""

    def start(self) -> None:
        """Run in a background thread."""
        self._thread = threading.Thread(target=self._run_in_thread, name="job-processor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the background thread to finish what runs, and wait for it."""
        self.request_stop()
        if self._thread is not None:
            self._thread.join()

    def _run_in_thread(self) -> None:
        try:
            self.run()
        except BaseException as error:  # noqa: BLE001 - kept for whoever started the thread
            self.failure = error
            log.error("worker.failed", reason=str(error))
