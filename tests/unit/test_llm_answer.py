"""A stream's chunks become an answer; requests leave out what a server refused. Both trust nothing."""

from typing import Any

import pytest

from bookbot_worker.llm.client import Message, Prompt, Shape
from bookbot_worker.llm.errors import Kind
from bookbot_worker.llm.openai_compatible.answer import Answer, Unreadable
from bookbot_worker.llm.openai_compatible.asking import Option, body_of, refused_option
from bookbot_worker.llm.openai_compatible.reading import Complaint

pytestmark = pytest.mark.unit

PROMPT = Prompt((Message("user", "x" * 400),), temperature=0.3, shape=Shape("plan", {"type": "object"}))


def chunk(content: object = None, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish_reason}], **more}


def answer_of(*chunks: object, limit: int = 1000) -> Answer:
    answer = Answer.to(PROMPT, "llm.example", "asked-model", limit)
    for one in chunks:
        answer.add(one)
    return answer


def test_pieces_usage_and_model_add_up() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "cost": 0.0125}
    answer = answer_of(
        chunk(""), chunk("Hello, "), chunk("world", "stop"), {"choices": [], "usage": usage, "model": "m"}
    )
    answer.check_whole()
    completion = answer.completion()
    assert (completion.text, completion.model, completion.provider) == ("Hello, world", "m", "llm.example")
    assert (completion.input_tokens, completion.output_tokens, completion.is_estimate) == (9, 2, False)
    assert (completion.cost_usd, completion.cost_source) == (0.0125, "provider")


@pytest.mark.parametrize(
    "usage",
    [
        None, {}, "many", {"prompt_tokens": -1, "completion_tokens": 2**40, "cost": float("nan")},
        {"prompt_tokens": True, "completion_tokens": "7", "cost": -1}, {"cost": float("inf")}, {"cost": "0.1"},
    ],
)  # fmt: skip
def test_without_sensible_usage_the_counts_are_estimates_and_the_cost_unknown(usage: object) -> None:
    completion = answer_of(chunk("a" * 40, "stop"), chunk(usage=usage)).completion()
    assert (completion.input_tokens, completion.output_tokens, completion.is_estimate) == (100, 10, True)
    assert (completion.cost_usd, completion.cost_source) == (None, None)


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ([chunk("half")], Kind.CUT),
        ([], Kind.CUT),
        ([chunk("half", "error")], Kind.PROVIDER_TROUBLE),
        ([chunk("  \n", "stop")], Kind.EMPTY),
        ([chunk(None, "tool_calls")], Kind.EMPTY),
        ([chunk("", "length")], Kind.CONTEXT_TOO_LONG),
        ([chunk("", "content_filter")], Kind.FLAGGED),
        ([{"choices": [{"delta": {"refusal": "I will not."}, "finish_reason": "stop"}]}], Kind.FLAGGED),
        (["text"], Kind.BAD_ANSWER),
        ([None], Kind.BAD_ANSWER),
        ([{"object": "pong"}], Kind.BAD_ANSWER),
        ([chunk({"a": 1})], Kind.BAD_ANSWER),
        ([{"choices": [{"delta": "text"}]}], Kind.BAD_ANSWER),
        ([chunk("x" * 600), chunk("x" * 600)], Kind.ANSWER_TOO_LONG),
    ],
)
def test_what_is_no_whole_answer_is_an_error_of_its_kind(chunks: list[object], kind: Kind) -> None:
    with pytest.raises(Unreadable) as raised:
        answer_of(*chunks).check_whole()
    assert raised.value.kind is kind


def test_what_other_servers_send_is_read_too() -> None:
    parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Yes"}]
    answer = answer_of(
        {"choices": [{"delta": {"reasoning_content": "let me think"}}]},
        chunk(parts),
        {"choices": [{"index": 1, "delta": {"content": "another choice"}}, "nonsense"]},
        {"choices": [{"message": {"content": "."}, "finish_reason": "stop"}]},
    )
    answer.check_whole()
    assert answer.completion().text == "Yes."
    assert answer.has_begun


def test_an_answer_that_was_cut_by_length_or_filter_is_kept_and_says_so() -> None:
    for reason in ("length", "content_filter"):
        answer = answer_of(chunk("half", reason))
        answer.check_whole()
        assert answer.completion().finish_reason == reason


def test_a_request_has_what_was_asked_for_and_no_bound_on_its_tokens() -> None:
    body = body_of(PROMPT, "m", frozenset())
    schema = {"name": "plan", "schema": {"type": "object"}, "strict": True}
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "x" * 400}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.3,
        "response_format": {"type": "json_schema", "json_schema": schema},
    }
    assert set(body_of(PROMPT, "m", frozenset(Option))) == {"model", "messages", "stream"}


@pytest.mark.parametrize(
    ("complaint", "option"),
    [
        (Complaint(400, param="temperature", message="Unsupported value"), Option.TEMPERATURE),
        (Complaint(400, message="stream_options is not permitted"), Option.USAGE),
        (Complaint(400, message="response_format is not supported by this model"), Option.SHAPE),
        (Complaint(404, message="No endpoints found that support the requested parameters"), Option.SHAPE),
        (Complaint(422, message="Extra inputs are not permitted"), Option.SHAPE),
        (Complaint(400), Option.SHAPE),
        (Complaint(404, code="model_not_found", message="no such model"), None),
        (Complaint(400, code="context_length_exceeded"), None),
        (Complaint(401, message="response_format"), None),
        (Complaint(429, message="temperature"), None),
        (Complaint(500, message="stream_options"), None),
    ],
)
def test_a_refused_option_is_found_by_its_name_or_guessed(complaint: Complaint, option: Option | None) -> None:
    assert refused_option(complaint, body_of(PROMPT, "m", frozenset())) is option


def test_there_is_an_end_to_leaving_options_out() -> None:
    without: frozenset[Option] = frozenset()
    for _ in range(2):
        option = refused_option(Complaint(400), body_of(PROMPT, "m", without))
        assert option is not None
        without |= {option}
    assert refused_option(Complaint(400), body_of(PROMPT, "m", without)) is None
