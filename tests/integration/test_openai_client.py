"""The client against a real server of the protocol: streams, every fault, and the end of a stream nobody wants."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bookbot_worker.cancellation import StopReason, StopToken
from bookbot_worker.llm.client import Listener, Shape
from bookbot_worker.llm.errors import Kind, LLMError, LLMRetry
from bookbot_worker.llm.offline import OfflineAuthor
from bookbot_worker.outcomes import JobCancelled
from tests.support.llm_stub import MODEL, RunningStub, client, llm_stub, prompt
from tests.support.running import eventually

pytestmark = pytest.mark.integration

KEY = "sk-CANARY-0123456789abcdef"
SHAPE = Shape("plan", {"type": "object"})


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[RunningStub]:
    """A server that answers at once and accepts one key."""
    with llm_stub(tmp_path / "record", key=KEY, retry_after="17") as running:
        yield running


def listening_to(token: StopToken, heard: list[str] | None = None) -> Listener:
    """As a job listens whose attempt has this token."""
    return Listener((heard if heard is not None else []).append, token.check, token.closing)


def test_an_answer_comes_in_pieces_in_the_callers_thread_with_its_counts_and_its_cost(tmp_path: Path) -> None:
    heard: list[tuple[str, int]] = []
    with llm_stub(tmp_path / "record", words_per_second=400) as stub, client(stub.url) as llm:
        listener = Listener(on_text=lambda piece: heard.append((piece, threading.get_ident())))
        completion = llm.complete(prompt(temperature=0.4), listener)
    assert completion.text == "".join(piece for piece, _ in heard)
    assert completion.text == OfflineAuthor().complete(prompt(temperature=0.4), Listener()).text
    assert {thread for _, thread in heard} == {threading.get_ident()}
    assert len(heard) > 1
    [answered] = stub.record("answered")
    told = (completion.input_tokens, completion.output_tokens, completion.cost_usd)
    assert told == (answered["input_tokens"], answered["output_tokens"], answered["cost_usd"])
    assert (completion.finish_reason, completion.model, completion.cost_source) == ("stop", MODEL, "provider")
    assert (completion.provider, completion.is_estimate) == (stub.url[len("http://") : -len("/v1")], False)


@pytest.mark.parametrize(
    ("fault", "kind", "partial"),
    [
        ("429", Kind.RATE_LIMITED, False),
        ("500", Kind.PROVIDER_TROUBLE, False),
        ("503", Kind.PROVIDER_TROUBLE, False),
        ("hang", Kind.FIRST_TOKEN_TIMEOUT, False),
        ("stall", Kind.BETWEEN_TOKENS_TIMEOUT, True),
        ("cut", Kind.CUT, True),
        ("unfinished", Kind.CUT, True),
        ("bad-json", Kind.BAD_ANSWER, True),
        ("error-inside", Kind.PROVIDER_TROUBLE, True),
        ("empty", Kind.EMPTY, True),
    ],
)
def test_faults_worth_repeating_are_retries(stub: RunningStub, fault: str, kind: Kind, partial: bool) -> None:
    patience = {"llm_first_token_seconds": 1, "llm_between_tokens_seconds": 1}
    with client(stub.url, llm_api_key=KEY, **patience) as llm, pytest.raises(LLMRetry) as raised:
        llm.complete(prompt(fault), Listener())
    assert raised.value.kind is kind
    assert raised.value.after == (timedelta(seconds=17) if fault == "429" else None)
    assert (raised.value.partial is not None) == partial
    assert raised.value.__context__ is None  # else the request, with the key in it, would go along
    assert len(stub.record("request")) == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("quota", Kind.NO_CREDIT),
        ("no-credit", Kind.NO_CREDIT),
        ("bad-key", Kind.BAD_KEY),
        ("context", Kind.CONTEXT_TOO_LONG),
        ("no-model", Kind.UNKNOWN_MODEL),
        ("redirect", Kind.REDIRECTED),
        ("html", Kind.NOT_THE_PROTOCOL),
        ("endless", Kind.ANSWER_TOO_LONG),
    ],
)
def test_faults_that_stay_are_errors(stub: RunningStub, fault: str, kind: Kind) -> None:
    with client(stub.url, llm_api_key=KEY, llm_answer_characters=5000) as llm, pytest.raises(LLMError) as raised:
        llm.complete(prompt(fault), Listener())
    assert raised.value.kind is kind
    assert KEY not in str(raised.value)
    assert raised.value.partial is None or 0 < len(raised.value.partial.text) <= 5000
    assert raised.value.__context__ is None
    assert (len(stub.record("request")), stub.record("stray")) == (1, [])  # nothing followed the redirect


@pytest.mark.parametrize(("fault", "reason"), [("length", "length"), ("filter", "content_filter")])
def test_an_answer_that_was_cut_short_says_so(stub: RunningStub, fault: str, reason: str) -> None:
    with client(stub.url, llm_api_key=KEY) as llm:
        completion = llm.complete(prompt(fault), Listener())
    assert completion.finish_reason == reason
    assert completion.text


@pytest.mark.parametrize("fault", ["no-stream", "no-usage", "no-cost", "no-options"])
def test_a_server_may_tell_less_than_asked_for(stub: RunningStub, fault: str) -> None:
    with client(stub.url, llm_api_key=KEY) as llm:
        completion = llm.complete(prompt(fault), Listener())
    assert completion.text == OfflineAuthor().complete(prompt(), Listener()).text
    assert (completion.cost_usd is None) == (fault != "no-stream")
    assert completion.is_estimate == (fault in {"no-usage", "no-options"})


@pytest.mark.parametrize("fault", ["no-schema", "no-temperature", "no-options"])
def test_what_a_model_refuses_is_left_out_and_remembered(stub: RunningStub, fault: str) -> None:
    with client(stub.url, llm_api_key=KEY) as llm:
        for _ in range(2):
            assert llm.complete(prompt(fault, shape=SHAPE, temperature=0.5), Listener()).finish_reason == "stop"
        llm.complete(prompt(shape=SHAPE, temperature=0.5), Listener())
    assert [line["number"] for line in stub.record("refused")] == [1]
    shaped = [line["shaped"] for line in stub.record("request")]
    assert shaped == ([True, False, False, True] if fault == "no-schema" else [True] * 4)


def test_nobody_there_is_worth_repeating() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with client(f"http://127.0.0.1:{port}/v1") as llm, pytest.raises(LLMRetry, match="refused") as raised:
            llm.complete(prompt(), Listener())
    assert raised.value.kind is Kind.UNREACHABLE


def test_a_server_that_takes_no_connection_in_time_is_worth_repeating() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as held:
        for _ in range(3):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        with client(url, llm_connect_seconds=0.2) as llm, pytest.raises(LLMRetry) as raised:
            llm.complete(prompt(), Listener())
    assert raised.value.kind is Kind.CONNECT_TIMEOUT


def test_https_where_only_http_is_spoken_says_so_and_shows_no_key(stub: RunningStub) -> None:
    with client(stub.url.replace("http:", "https:"), llm_api_key=KEY) as llm, pytest.raises(LLMRetry) as raised:
        llm.complete(prompt(), Listener())
    assert raised.value.kind is Kind.UNREACHABLE
    assert "cannot be reached: TLS: " in str(raised.value)
    assert stub.record() == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("hang", StopReason.CANCEL),
        ("slow", StopReason.CANCEL),
        ("stall", StopReason.TIMEOUT),
        ("slow", StopReason.SHUTDOWN),
        ("hang", StopReason.LOST),
    ],
)
def test_whatever_makes_a_job_stop_closes_the_stream_at_once(stub: RunningStub, fault: str, reason: StopReason) -> None:
    token = StopToken()
    with client(stub.url, llm_api_key=KEY) as llm, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(llm.complete, prompt(fault), listening_to(token))
        eventually(lambda: stub.record("request"))
        token.fire(reason)
        with pytest.raises(JobCancelled):
            waiting.result(timeout=10)
        eventually(lambda: stub.record("answered"), 2)
    assert [line["aborted"] for line in stub.record("answered")] == [True]


def test_one_that_was_called_off_before_asks_nothing(stub: RunningStub) -> None:
    token = StopToken()
    token.fire(StopReason.CANCEL)
    with client(stub.url, llm_api_key=KEY) as llm, pytest.raises(JobCancelled):
        llm.complete(prompt(), listening_to(token))
    assert stub.record() == []


def test_what_the_reader_of_the_pieces_raises_ends_the_answer(stub: RunningStub) -> None:
    def fail(_piece: str) -> None:
        raise ZeroDivisionError

    with client(stub.url, llm_api_key=KEY) as llm, pytest.raises(ZeroDivisionError):
        llm.complete(prompt("slow"), Listener(on_text=fail))
    eventually(lambda: [line["aborted"] for line in stub.record("answered")] == [True], 5)


def test_closing_the_client_gives_up_what_is_being_answered(stub: RunningStub) -> None:
    with ThreadPoolExecutor(1) as threads:
        with client(stub.url, llm_api_key=KEY) as llm:
            waiting = threads.submit(llm.complete, prompt("hang"), Listener())
            eventually(lambda: stub.record("request"))
        with pytest.raises(LLMRetry) as raised:
            waiting.result(timeout=10)
    assert raised.value.kind is Kind.CLOSED


class RawServer:
    """Answers every request with the same bytes and keeps what came: for what no decent server sends."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self.received = b""
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "RawServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(20)
        self._socket.close()

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.settimeout(10)
            while b'"stream":true' not in self.received:
                self.received += connection.recv(65536)
            try:
                connection.sendall(self._answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:  # the client has heard enough
                return


def events(*chunks: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
WHOLE = events({"choices": [{"delta": {"content": "All of it."}, "finish_reason": "stop"}]})


def test_only_what_is_needed_leaves_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: custom-secret")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with RawServer(HEAD + WHOLE) as server, client(server.url, llm_api_key=KEY) as llm:
        llm.complete(prompt(), Listener())
    head = server.received.partition(b"\r\n\r\n")[0].decode().lower()
    names = {line.partition(":")[0] for line in head.splitlines()[1:]}
    assert names == {
        "host", "accept", "accept-encoding", "connection", "content-type", "content-length", "user-agent",
        "authorization",
    }  # fmt: skip
    assert f"authorization: bearer {KEY.lower()}" in head
    assert b"secret" not in server.received


def test_without_a_key_no_key_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    with RawServer(HEAD + WHOLE) as server, client(server.url) as llm:
        llm.complete(prompt(), Listener())
    assert b"uthorization" not in server.received


def test_an_answer_with_its_finish_reason_counts_also_where_the_connection_breaks_after_it() -> None:
    chunked = HEAD.replace(b"Connection: close", b"Transfer-Encoding: chunked")
    whole = f"{len(WHOLE):x}\r\n".encode() + WHOLE + b"\r\n"
    with RawServer(chunked + whole) as server, client(server.url) as llm:
        completion = llm.complete(prompt(), Listener())
    assert (completion.text, completion.finish_reason, completion.is_estimate) == ("All of it.", "stop", True)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (HEAD + b"data: " + b"x" * 2_000_000, Kind.ANSWER_TOO_LONG),
        (HEAD + b"data: a\n" * 400_000, Kind.ANSWER_TOO_LONG),
        (HEAD + b"data: \xff\xfe\n\n", Kind.BAD_ANSWER),
        (HEAD + events(["no", "object"]), Kind.BAD_ANSWER),
        (HEAD + b"data: " + b"[" * 200_000 + b"\n\n", Kind.BAD_ANSWER),
        (HEAD + b'data: {"usage": ' + b"9" * 5000 + b"}\n\n", Kind.BAD_ANSWER),
        (HEAD.replace(b"text/event-stream", b"application/json") + b"\n\n" * 1_000_000, Kind.ANSWER_TOO_LONG),
        (HEAD, Kind.CUT),
        (b"", Kind.CUT),
        (b"SSH-2.0-OpenSSH_9.9\r\n", Kind.CUT),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[1]", Kind.BAD_ANSWER),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{", Kind.BAD_ANSWER),
        (b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"error": {"code": 429, "message": "later"}}',
         Kind.RATE_LIMITED),
        (b"HTTP/1.1 500 Oh\r\n\r\n" + b"x" * 5_000_000, Kind.PROVIDER_TROUBLE),
    ],
    ids=lambda value: value if isinstance(value, Kind) else "answer",
)  # fmt: skip
def test_nonsense_of_any_size_is_an_error_of_its_kind(answer: bytes, kind: Kind) -> None:
    with (
        RawServer(answer) as server,
        client(server.url, llm_answer_characters=1000) as llm,
        pytest.raises((LLMError, LLMRetry)) as raised,
    ):
        llm.complete(prompt(), Listener())
    assert raised.value.kind is kind  # type: ignore[attr-defined]
    assert len(str(raised.value)) < 1000


def test_fifty_answers_at_a_time_need_one_thread_and_end_together(tmp_path: Path) -> None:
    token = StopToken()
    with llm_stub(tmp_path / "record") as stub, client(stub.url) as llm, ThreadPoolExecutor(50) as jobs:
        before = threading.active_count()
        waiting = [jobs.submit(llm.complete, prompt("slow"), listening_to(token)) for _ in range(50)]
        eventually(lambda: len(stub.record("request")) == 50)
        named = [thread.name for thread in threading.enumerate() if thread.name.startswith("llm-streams")]
        assert (len(named), before) == (1, before)
        began = time.monotonic()
        token.fire(StopReason.CANCEL)
        eventually(lambda: len(stub.record("answered")) == 50, 10)
        seconds = time.monotonic() - began
        for one in waiting:
            with pytest.raises(JobCancelled):
                one.result(timeout=10)
    assert all(line["aborted"] for line in stub.record("answered"))
    assert seconds < 5
