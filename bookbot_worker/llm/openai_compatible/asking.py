"""The body of a request, and what may be left out of it for servers or models that refuse it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from bookbot_worker.llm.client import Prompt
from bookbot_worker.llm.openai_compatible.reading import Complaint


class Option(StrEnum):
    """What not every server, or not every model, takes; an answer is worth having without it."""

    SHAPE = "response_format"
    TEMPERATURE = "temperature"
    USAGE = "stream_options"


def body_of(prompt: Prompt, model: str, without: frozenset[Option]) -> dict[str, Any]:
    """The JSON to send. No max_tokens: `max_words` is a wish, which the prompt itself tells the model."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in prompt.messages],
        "stream": True,
    }
    if Option.USAGE not in without:
        body["stream_options"] = {"include_usage": True}
    if prompt.temperature is not None and Option.TEMPERATURE not in without:
        body["temperature"] = prompt.temperature
    if prompt.shape is not None and Option.SHAPE not in without:
        schema = {"name": prompt.shape.name, "schema": prompt.shape.json_schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


_NAMES = {
    Option.SHAPE: ("response_format", "json_schema", "structured output", "schema", "grammar", "requested parameters"),
    Option.TEMPERATURE: ("temperature",),
    Option.USAGE: ("stream_options", "include_usage"),
}


def refused_option(complaint: Complaint, body: Mapping[str, Any]) -> Option | None:
    """Which option of `body` the server complains about: one that it names, else the shape, which few servers take.

    None where asking again without anything would not help.
    """
    if complaint.status not in {400, 404, 422, 501} or complaint.is_understood:
        return None
    there = [option for option in Option if option in body]
    said = f"{complaint.param} {complaint.message}".lower()
    named = [option for option in there if any(name in said for name in _NAMES[option])]
    if named:
        return named[0]
    guesses = [option for option in there if option is not Option.TEMPERATURE]
    return guesses[0] if guesses and complaint.status in {400, 422} else None
