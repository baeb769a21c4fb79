"""The stub as an ASGI application: two routes, POST /v1/chat/completions and GET /v1/models."""

import asyncio
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive, Scope, Send

from bookbot_worker.llm.client import Completion, Listener, Prompt
from bookbot_worker.llm.offline import MODEL, OfflineAuthor
from bookbot_worker.llm.stub.answers import StubAnswer
from bookbot_worker.llm.stub.asked import Asked, NotUnderstood, understand
from bookbot_worker.llm.stub.exchange import Exchange, Gone
from bookbot_worker.llm.stub.faults import Fault, Refusal, Rule, choose, refusal_for, split_model
from bookbot_worker.llm.stub.record import Record, hash_of

CHAT = "/v1/chat/completions"
FAULT_HEADER = "x-stub-fault"


@dataclass(slots=True)
class Stub:
    """`key`, where set, is the only one that is accepted. `retry_after` goes with status 429. 0 words: no pauses."""

    words_per_second: float = 0.0
    rules: Sequence[Rule] = ()
    key: str = ""
    retry_after: str = "1"
    record: Record = field(default_factory=Record)
    _author: OfflineAuthor = field(default_factory=OfflineAuthor)
    _open: set[Exchange] = field(default_factory=set)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        self._open.add(exchange)
        try:
            match exchange.method, exchange.path:
                case "POST", path if path == CHAT:
                    await self._complete(exchange)
                case "GET", "/v1/models":
                    model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "offline"}
                    await exchange.send_json({"object": "list", "data": [model]})
                case _:
                    self.record.note("stray", 0, path=exchange.path, has_key=bool(exchange.key))
                    await exchange.send_json(Refusal(404, f"there is nothing at {exchange.path}").body, 404)
        except Gone:
            return
        finally:
            self._open.discard(exchange)

    def hang_up(self) -> None:
        """End all answers where they are."""
        for exchange in list(self._open):
            exchange.leave()

    async def _complete(self, exchange: Exchange) -> None:
        number = next(self._numbers)
        try:
            body = json.loads(await exchange.body())
            asked = understand(body)
        except (ValueError, NotUnderstood, RecursionError) as error:
            self.record.note("refused", number, status=400)
            await exchange.send_json(Refusal(400, str(error)).body, 400)
            return
        _, by_model = split_model(asked.model)
        fault = choose(self.rules, number, by_model, exchange.headers.get(FAULT_HEADER, ""))
        asked_for = {"hash": hash_of(asked.prompt), "model": asked.model, "fault": fault}
        self.record.note("request", number, **asked_for, stream=asked.is_stream, shaped=asked.prompt.shape is not None)
        async with exchange.watched():
            refusal = self._refusal(exchange, fault, body)
            if refusal is not None:
                self.record.note("refused", number, **asked_for, status=refusal.status)
                await exchange.send_json(refusal.body, refusal.status, refusal.headers)
                return
            completion = await asyncio.to_thread(self._compose, asked.prompt)
            answer = StubAnswer.of(number, completion.text, completion.input_tokens, fault, asked.most_tokens)
            is_aborted = True
            try:
                is_aborted = not await self._answer(exchange, asked, answer)
            finally:
                self.record.note(
                    "answered",
                    number,
                    **asked_for,
                    aborted=is_aborted,
                    input_tokens=answer.input_tokens,
                    output_tokens=answer.output_tokens,
                    cost_usd=answer.cost,
                )

    def _refusal(self, exchange: Exchange, fault: Fault | None, body: dict[str, Any]) -> Refusal | None:
        if self.key and exchange.key != self.key:
            fault = Fault.BAD_KEY
        if fault is Fault.REDIRECT:
            port = exchange.headers.get("host", "").rpartition(":")[2]
            return Refusal(307, "", headers=(("Location", f"http://localhost:{port}/elsewhere"),))
        return refusal_for(fault, body, exchange.key, self.retry_after)

    def _compose(self, prompt: Prompt) -> Completion:
        return self._author.complete(prompt, Listener())

    async def _answer(self, exchange: Exchange, asked: Asked, answer: StubAnswer) -> bool:
        """True when the client got all there is to get. Raises Gone where it left, and where the stub hangs up."""
        if answer.fault is Fault.HANG:
            await exchange.pause(None)
        if answer.fault is Fault.HTML:
            await exchange.open(200, "text/html")
            await exchange.send(b"<html><title>Welcome</title></html>", is_last=True)
            return True
        if not asked.is_stream or answer.fault is Fault.NO_STREAM:
            for piece, seconds in answer.pieces(self.words_per_second):
                answer.sent += len(piece)
                await exchange.pause(seconds)
            await exchange.send_json(answer.whole())
            return True
        return await self._stream(exchange, asked, answer)

    async def _stream(self, exchange: Exchange, asked: Asked, answer: StubAnswer) -> bool:
        await exchange.open(200, "text/event-stream; charset=utf-8", [("cache-control", "no-cache")])
        await exchange.send_event(answer.chunk({"role": "assistant", "content": ""}))
        for piece, seconds in answer.pieces(self.words_per_second):
            await exchange.send_event(answer.chunk({"content": piece}))
            answer.sent += len(piece)
            await exchange.pause(seconds)
        match answer.fault:
            case Fault.STALL:
                await exchange.pause(None)
            case Fault.CUT:
                return False
            case Fault.UNFINISHED:
                await exchange.send(b"", is_last=True)
                return True
            case Fault.BAD_JSON:
                await exchange.send(b'data: {"choices": [{"delta"\n\n')
            case Fault.ERROR_INSIDE:
                error = {"code": 502, "message": "the provider went away"}
                await exchange.send_event(answer.chunk({"content": ""}, "error") | {"error": error})
        await exchange.send_event(answer.chunk({}, answer.finish_reason))
        if asked.wants_usage and answer.fault is not Fault.NO_USAGE:
            await exchange.send_event(answer.usage_chunk())
        await exchange.send(b"data: [DONE]\n\n", is_last=True)
        return True
