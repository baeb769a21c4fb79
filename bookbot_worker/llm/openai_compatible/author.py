"""OpenAICompatible: asks a server over the OpenAI protocol, in the job's thread, reading on the worker's one loop.

The story of one answer is `complete`: ask on the loop, follow in the job's thread, make an error of what went wrong.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import httpx2
import openai
import structlog
from openai import AsyncOpenAI

from bookbot_worker.llm.client import Completion, Listener, Prompt
from bookbot_worker.llm.errors import Kind, LLMError, LLMRetry, failure
from bookbot_worker.llm.loop import LoopThread
from bookbot_worker.llm.masking import detail_of
from bookbot_worker.llm.openai_compatible.answer import Answer
from bookbot_worker.llm.openai_compatible.asking import Option, body_of, refused_option
from bookbot_worker.llm.openai_compatible.call import Call
from bookbot_worker.llm.openai_compatible.faults import complaint_of, fault_of
from bookbot_worker.llm.openai_compatible.stream import Patience, read_answer
from bookbot_worker.llm.openai_compatible.transport import Gate

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask, and how. `key` is "" for a server that wants none; `limit` is the longest answer, in characters."""

    base_url: str
    key: str = field(repr=False)
    model: str
    patience: Patience
    limit: int

    @property
    def host(self) -> str:
        """The server's name for people and for the ledger, with its port where that is not the usual one."""
        return httpx2.URL(self.base_url).netloc.decode("ascii")


class OpenAICompatible:
    """The LLM at one server. One object serves all threads of a worker; `close` it at the end."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._host = server.host
        self._loop = LoopThread("llm-streams")
        self._refused: dict[str, frozenset[Option]] = {}
        self._sdk = _sdk(server)

    def complete(self, prompt: Prompt, listener: Listener) -> Completion:
        """See `LLM.complete`. Raises LLMRetry and LLMError."""
        listener.check()
        model = prompt.model or self._server.model
        call, answer = Call(), Answer.to(prompt, self._host, model, self._server.limit)
        cancel = self._loop.start_task(self._ask(prompt, model, answer, call), call.finished)
        try:
            with listener.closing(cancel):
                outcome = self._outcome(call.follow(listener), answer)
                if isinstance(outcome, BaseException):
                    raise outcome
        finally:
            cancel()
        if outcome.finish_reason != "stop":
            log.warning("llm.answer_cut_short", model=outcome.model, finish_reason=outcome.finish_reason)
        return outcome

    def close(self) -> None:
        """Give up what is still being answered, and end the loop's thread."""
        self._loop.stop(self._sdk.close())

    # On the loop

    async def _ask(self, prompt: Prompt, model: str, answer: Answer, call: Call) -> Completion:
        """Ask, and where the server refuses an option, ask again without it; what it did not take is remembered."""
        known = without = self._refused.get(model, frozenset())
        while True:
            body = body_of(prompt, model, without)
            try:
                completion = await read_answer(self._sdk, body, answer, call.put, self._server.patience)
            except openai.APIStatusError as error:
                option = refused_option(complaint_of(error), body)
                if option is None:
                    raise
                without |= {option}
                continue
            if without != known:
                self._refused[model] = without
                log.info("llm.options_refused", model=model, options=sorted(option.value for option in without))
            return completion

    # How it ended

    def _outcome(self, task: "asyncio.Task[Completion]", answer: Answer) -> Completion | BaseException:
        """What came of a task that has ended. An error is made afresh: nothing of the request hangs on to it."""
        if task.cancelled():
            return self._failure(Kind.CLOSED, "", None, answer)
        error = task.exception()
        if error is None:
            return task.result()
        fault = fault_of(error)
        return error if fault is None else self._failure(*fault, answer)

    def _failure(self, kind: Kind, words: str, after: timedelta | None, answer: Answer) -> LLMError | LLMRetry:
        partial = answer.completion() if answer.has_begun or answer.usage else None
        return failure(kind, self._host, detail_of(words, self._server.key), after, partial)


def _sdk(server: Server) -> AsyncOpenAI:
    """The SDK behind our gate: no retries, no redirects, no proxies and no passwords from the environment.

    A connection serves one answer: one that is kept might be dead when it is used again, and answers take so long that
    a new one costs nothing. What is in the environment about certificates (SSL_CERT_FILE) is heeded.
    """
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    wire = httpx2.AsyncHTTPTransport(limits=limits, trust_env=True)
    timeout = httpx2.Timeout(None, connect=server.patience.connect)
    http = httpx2.AsyncClient(
        transport=Gate(wire, server.base_url, server.key, server.limit),
        timeout=timeout,
        follow_redirects=False,
        trust_env=False,
    )
    return AsyncOpenAI(
        api_key="the gate knows it",
        base_url=server.base_url,
        timeout=timeout,
        max_retries=0,
        http_client=http,
    )
