"""A request's JSON, read as the prompt the offline author understands."""

from dataclasses import dataclass
from typing import Any

from bookbot_worker.llm.client import Message, Prompt, Role, Shape

_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


class NotUnderstood(Exception):
    """The request is no chat completion; the text says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`most_tokens` is None where the client sets no bound."""

    prompt: Prompt
    model: str
    is_stream: bool
    wants_usage: bool
    most_tokens: int | None


def understand(body: object) -> Asked:
    """Raises NotUnderstood that names what is wrong."""
    if not isinstance(body, dict):
        raise NotUnderstood("the body must be a JSON object")
    model, messages = body.get("model"), body.get("messages")
    if not isinstance(model, str) or not model:
        raise NotUnderstood("you must provide a model parameter")
    if not isinstance(messages, list) or not messages:
        raise NotUnderstood("messages must be a list that is not empty")
    most = body.get("max_completion_tokens", body.get("max_tokens"))
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise NotUnderstood("max_tokens must be a whole number from 1 on")
    temperature = body.get("temperature")
    if temperature is not None and (not isinstance(temperature, int | float) or not 0 <= temperature <= 2):
        raise NotUnderstood("temperature must be from 0 to 2")
    options = body.get("stream_options")
    return Asked(
        prompt=Prompt(tuple(_message(message) for message in messages), temperature=temperature, shape=_shape(body)),
        model=model,
        is_stream=body.get("stream") is True,
        wants_usage=isinstance(options, dict) and options.get("include_usage") is True,
        most_tokens=most,
    )


def _message(message: Any) -> Message:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(role, str) or role not in _ROLES:
        raise NotUnderstood(f"each message needs a role out of {', '.join(_ROLES)}")
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    if not isinstance(content, str):
        raise NotUnderstood("each message needs content that is text")
    return Message(_ROLES[role], content)


def _shape(body: dict[str, Any]) -> Shape | None:
    wanted = body.get("response_format")
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return None
    named = wanted.get("json_schema")
    if not isinstance(named, dict) or not isinstance(named.get("schema"), dict):
        raise NotUnderstood("response_format.json_schema needs a schema")
    return Shape(str(named.get("name", "")), named["schema"])
