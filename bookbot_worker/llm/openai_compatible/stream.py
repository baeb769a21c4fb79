"""Reads one answer from the wire, on the loop: the three timeouts, the event stream, the end that must be there."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx2
import openai
from openai import AsyncOpenAI, AsyncStream

from bookbot_worker.llm.client import Completion
from bookbot_worker.llm.errors import Kind
from bookbot_worker.llm.openai_compatible.answer import Answer, Unreadable


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for a connection, from the request to the first word, and for every pause after it."""

    connect: float
    first_token: float
    between_tokens: float


async def read_answer(
    sdk: AsyncOpenAI, body: dict[str, Any], answer: Answer, put: Callable[[str], None], patience: Patience
) -> Completion:
    """Send `body` and fill `answer`; `put` gets each piece of text.

    Raises Unreadable, the SDK's errors, and what reading its stream raises. The stream is closed in every case.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(patience.first_token) as limit:
            async with aclosing(_chunks(sdk, body)) as chunks:
                async for chunk in chunks:
                    if text := answer.add(chunk):
                        put(text)
                    if answer.has_begun:
                        limit.reschedule(loop.time() + patience.between_tokens)
    except TimeoutError:
        if answer.finish_reason is None:
            kind = Kind.BETWEEN_TOKENS_TIMEOUT if answer.has_begun else Kind.FIRST_TOKEN_TIMEOUT
            raise Unreadable(kind) from None
    except (openai.APIConnectionError, httpx2.HTTPError):
        if answer.finish_reason is None:  # else all of the text is there, and only the usage got lost
            raise
    answer.check_whole()
    return answer.completion()


async def _chunks(sdk: AsyncOpenAI, body: dict[str, Any]) -> AsyncGenerator[object, None]:
    """The chunks of the stream, as the JSON they are; one, the whole answer, from a server that does not stream."""
    stream: AsyncStream[object] = await sdk.post(
        "/chat/completions", body=body, cast_to=object, stream=True, stream_cls=AsyncStream[object]
    )
    async with stream:
        content_type = stream.response.headers.get("content-type", "").partition(";")[0].strip().lower()
        match content_type:
            case "text/event-stream":
                async for chunk in stream:
                    yield chunk
            case "application/json":
                await stream.response.aread()
                yield _whole(stream.response)
            case _:
                raise Unreadable(Kind.NOT_THE_PROTOCOL)


def _whole(response: httpx2.Response) -> object:
    """A body that is one JSON document. Raises the error in it where it is one: some servers send those with 200."""
    document = response.json()
    if isinstance(document, dict) and document.get("error"):
        raise openai.APIError("an error with status 200", response.request, body=document)
    return document
