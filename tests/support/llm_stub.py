"""`llm-stub` in a thread of the test's process: a real HTTP server, and its record as the witness."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bookbot_worker.llm.choose import author_for
from bookbot_worker.llm.client import LLM, Message, Prompt
from bookbot_worker.llm.openai_compatible import OpenAICompatible
from bookbot_worker.llm.stub import Stub, StubServer
from bookbot_worker.llm.stub.record import Record
from bookbot_worker.llm.stub.server import base_url, listen
from shared.settings import load_settings

MODEL = "offline-author-1"
QUESTION = "Write a scene of 200 words about Ann, who looks for her brother in Rome."


def prompt(fault: str = "", **more: Any) -> Prompt:
    """A prompt for a scene; the model's name asks for the fault."""
    model = f"{MODEL}:{fault}" if fault else None
    return Prompt((Message("user", QUESTION),), model=model, **more)


@dataclass(frozen=True, slots=True)
class RunningStub:
    """`url` is its base URL."""

    url: str
    path: Path

    def record(self, event: str = "") -> list[dict[str, Any]]:
        """The lines of the record, of one event or of all."""
        lines = self.path.read_text().splitlines(keepends=True) if self.path.exists() else []
        parsed = [json.loads(line) for line in lines if line.endswith("\n")]
        return [line for line in parsed if event in ("", line["event"])]


@contextmanager
def llm_stub(path: Path, **options: Any) -> Iterator[RunningStub]:
    """A stub with these options of `Stub`, its record at `path`."""
    stub = Stub(record=Record(path), **options)
    is_ready = threading.Event()
    bound = listen(0)
    url = base_url(bound)
    server = StubServer(stub, lambda _url: is_ready.set())
    thread = threading.Thread(target=server.run_on, args=(bound,), name="llm-stub")
    thread.start()
    try:
        assert is_ready.wait(20)
        yield RunningStub(url, path)
    finally:
        server.should_exit = True
        thread.join()
        stub.record.close()


@contextmanager
def client(url: str, **settings: Any) -> Iterator[LLM]:
    """The author that these settings choose, closed at the end."""
    chosen = load_settings(**{"llm": "openai_compatible", "llm_base_url": url, "llm_model": MODEL} | settings)
    author = author_for(chosen)
    assert isinstance(author, OpenAICompatible)
    try:
        yield author
    finally:
        author.close()


def worker_environment(url: str, **settings: str) -> dict[str, str]:
    """The environment of a worker that runs the product's own jobs and asks the server at `url`."""
    names = {
        "llm": "openai_compatible",
        "llm_base_url": url,
        "llm_model": MODEL,
        "job_types": "",
        "jobs": "",
    } | settings
    return {f"BOOKBOT_{name.upper()}": value for name, value in names.items()}
