"""`bookbot-worker llm-stub` as it is run, with the official client as a stranger that proves the protocol is real."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from click.testing import CliRunner
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from bookbot_worker.cli.main import main
from tests.support.llm_stub import MODEL, QUESTION
from tests.support.processes import kill_group, spawn
from tests.support.running import eventually

pytestmark = pytest.mark.acceptance

KEY = "sk-local"
MESSAGES: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "You write novels."},
    {"role": "user", "content": QUESTION},
]


class Served:
    """The running command. `client` is the official one as it comes; `record` is what the server noted."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str, path: Path, ends: ExitStack) -> None:
        self.process = process
        self._url = url
        self._path = path
        self._ends = ends

    def client(self, key: str = KEY, **options: Any) -> openai.OpenAI:
        return self._ends.enter_context(openai.OpenAI(base_url=self._url, api_key=key, **{"max_retries": 0} | options))

    def record(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._path.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]

    def answered(self, id_: str) -> dict[str, Any]:
        """What was noted of the answer with this id; that is after it was sent."""
        number = int(id_.removeprefix("chatcmpl-"))
        [line] = eventually(lambda: [line for line in self.record("answered") if line["number"] == number])
        return dict(line)


@contextmanager
def serving(tmp_path: Path, *options: str) -> Iterator[Served]:
    path = tmp_path / "record"
    command = [sys.executable, "-m", "bookbot_worker", "llm-stub", "--record", str(path), *options]
    process = spawn(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with ExitStack() as ends:
        ends.callback(kill_group, process)
        ready = ends.enter_context(process.stdout)
        yield Served(process, ready.readline().decode().strip(), path, ends)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One that answers at once, and takes one key."""
    with serving(tmp_path_factory.mktemp("stub"), "--key", KEY, "--retry-after", "7") as running:
        yield running


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_the_official_client_gets_the_same_answer_whole_and_in_pieces(served: Served) -> None:
    client = served.client()
    whole = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert (whole.object, whole.model, whole.choices[0].finish_reason) == ("chat.completion", MODEL, "stop")
    with client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    assert text_of(chunks) == whole.choices[0].message.content != ""
    assert len(chunks) > 3
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
    one, other = (served.answered(answer) for answer in (whole.id, chunks[0].id))
    told = (whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.model_dump()["cost"])
    assert told == (one["input_tokens"], one["output_tokens"], one["cost_usd"])
    assert (one["hash"], one["cost_usd"]) == (other["hash"], other["cost_usd"])


def test_usage_comes_in_a_stream_only_where_it_was_asked_for(served: Served) -> None:
    with served.client().chat.completions.create(model=MODEL, messages=MESSAGES, stream=True) as stream:
        assert all(chunk.usage is None and chunk.choices for chunk in stream)


def test_an_answer_ends_at_the_clients_bound(served: Served) -> None:
    short = served.client().chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=10)
    assert (short.choices[0].finish_reason, short.usage and short.usage.completion_tokens) == ("length", 10)


def test_the_models_are_listed(served: Served) -> None:
    assert [model.id for model in served.client().models.list()] == [MODEL]


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("429", openai.RateLimitError, "rate_limit_exceeded"),
        ("quota", openai.RateLimitError, "insufficient_quota"),
        ("bad-key", openai.AuthenticationError, "invalid_api_key"),
        ("context", openai.BadRequestError, "context_length_exceeded"),
        ("no-model", openai.NotFoundError, "model_not_found"),
        ("500", openai.InternalServerError, None),
    ],
)
def test_the_official_client_knows_its_errors(
    served: Served, fault: str, error: type[openai.APIStatusError], code: str | None
) -> None:
    with pytest.raises(error) as raised:
        served.client().chat.completions.create(model=f"{MODEL}:{fault}", messages=MESSAGES, stream=True)
    assert raised.value.code == code
    assert raised.value.response.headers.get("retry-after") == ("7" if fault == "429" else None)


def test_a_wrong_key_and_a_wrong_request_are_refused(served: Served) -> None:
    with pytest.raises(openai.AuthenticationError):
        served.client("sk-wrong").chat.completions.create(model=MODEL, messages=MESSAGES)
    with pytest.raises(openai.BadRequestError, match="messages must be a list"):
        served.client().chat.completions.create(model=MODEL, messages=[])


def test_a_header_asks_for_a_fault_too(served: Served) -> None:
    with pytest.raises(openai.InternalServerError):
        served.client().chat.completions.create(model=MODEL, messages=MESSAGES, extra_headers={"X-Stub-Fault": "503"})


def test_a_fault_strikes_the_requests_it_is_for_and_the_clients_own_retries_go_on(tmp_path: Path) -> None:
    with serving(tmp_path, "--fault", "429@1", "--fault", "500@2", "--retry-after", "0.01") as served:
        client = served.client(max_retries=2)
        assert client.chat.completions.create(model=MODEL, messages=MESSAGES).choices[0].message.content
        assert [line["status"] for line in served.record("refused")] == [429, 500]
        assert [line["number"] for line in eventually(lambda: served.record("answered"))] == [3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_also_with_an_open_stream(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path, "--words-per-second", "5") as served:
        with served.client().chat.completions.create(model=MODEL, messages=MESSAGES, stream=True) as stream:
            next(iter(stream))
            served.process.send_signal(number)
            served.process.wait(10)
            with pytest.raises(openai.APIConnectionError):
                list(stream)
        assert [line["aborted"] for line in eventually(lambda: served.record("answered"))] == [True]


def test_mistakes_are_one_sentence() -> None:
    def said(*options: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["llm-stub", *options])
        return result.exit_code, result.output

    code, text = said("--fault", "explode")
    assert (code, "'explode' is no FAULT" in text, "429" in text) == (2, True, True)
    assert said("--fault", "429@0")[0] == 2
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, text = said("--port", str(taken.getsockname()[1]))
    assert (code, "cannot be used" in text) == (1, True)
