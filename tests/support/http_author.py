"""An author behind the LLM protocol that asks `llm_server` over real HTTP: every answer costs a cent, and is streamed.

The prompt's last message, a single word, is the name the server's witness notes.
"""

import http.client
import json
import socket
from contextlib import closing
from urllib.parse import urlsplit

from bookbot_worker import BaseJob
from bookbot_worker.llm.client import Completion, Listener, Message, Prompt
from bookbot_worker.llm.errors import Kind, failure

CENT = 0.01


class HttpAuthor:
    """Asks the server at `url`."""

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc

    def complete(self, prompt: Prompt, listener: Listener) -> Completion:
        """See `LLM.complete`."""
        listener.check()
        connection = http.client.HTTPConnection(self.host, timeout=60)
        with closing(connection):
            try:
                connection.connect()
            except OSError:
                raise failure(Kind.UNREACHABLE, self.host) from None
            wire = connection.sock
            with listener.closing(lambda: wire.shutdown(socket.SHUT_RDWR)):
                text = "".join(self._stream(connection, prompt, listener))
        return Completion(text, "test", "test-model-1", "stop", 10, len(text.split()), CENT, "provider")

    def _stream(self, connection: http.client.HTTPConnection, prompt: Prompt, listener: Listener) -> list[str]:
        asked = json.dumps({"job_id": prompt.messages[-1].content, "attempt": 0})
        connection.request("POST", "/", asked)
        pieces: list[str] = []
        with connection.getresponse() as answer:
            if answer.status != 200:
                raise failure(Kind.PROVIDER_TROUBLE, self.host, f"status {answer.status}")
            for piece in iter(lambda: answer.read1(4096), b""):
                pieces.append(piece.decode())
                listener.on_text(pieces[-1])
                listener.check()
        return pieces


def ask(job: BaseJob, word: str, heard: list[str] | None = None) -> Completion:
    """Ask the job's LLM about one word; `heard` gets the pieces of the answer."""
    on_text = None if heard is None else heard.append
    return job.llm.complete(Prompt((Message("system", "Be brief."), Message("user", word))), on_text)
