"""The worker's health page over real sockets: what it tells, and that no client can hang it, blind it or pile up."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from bookbot_worker.telemetry import health
from bookbot_worker.telemetry.health import HealthServer
from shared.errors import ConfigurationError
from tests.support.running import eventually

pytestmark = pytest.mark.unit

Serve = Callable[..., HealthServer]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts servers on free ports, of a worker that is well unless the test says otherwise."""
    monkeypatch.setattr(health, "LOOK_SECONDS", 0.02)
    started: list[HealthServer] = []

    def start(
        trouble: Callable[[], str | None] = lambda: None, status: Callable[[], dict[str, Any]] = dict
    ) -> HealthServer:
        started.append(HealthServer(0, trouble, status))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.close()
    eventually(lambda: not [thread for thread in threading.enumerate() if "process_request" in thread.name])


def ask(server: HealthServer, path: str, method: str = "GET", body: bytes | None = None) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        text = response.read()
        return Answer(response.status, dict(response.headers), json.loads(text) if text else None)
    finally:
        connection.close()


def connected(server: HealthServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def said_to(server: HealthServer, question: bytes) -> bytes:
    """Everything the server says to these bytes, until it hangs up."""
    with connected(server) as client:
        client.sendall(question)
        return b"".join(iter(lambda: client.recv(65536), b""))


def has_hung_up(client: socket.socket) -> bool:
    try:
        return client.recv(65536) == b""
    except ConnectionResetError:
        return True


def failing() -> Any:
    raise RuntimeError("password hunter2")


def test_a_worker_that_is_well_is_alive_and_ready(serve: Serve) -> None:
    server = serve(status=lambda: {"running": 3, "at": datetime(2030, 1, 31, 9, tzinfo=UTC)})
    assert ask(server, "/livez").body == {"status": "alive"}
    ready = ask(server, "/readyz?verbose=1")
    assert ready.status == 200
    assert ready.body == {"status": "ready", "running": 3, "at": "2030-01-31T09:00:00.000000Z"}


def test_a_worker_in_trouble_is_alive_and_not_ready_and_says_why(serve: Serve) -> None:
    server = serve(trouble=lambda: "the database \x1b does not answer", status=lambda: {"running": 0})
    assert ask(server, "/livez").status == 200
    answer = ask(server, "/readyz")
    assert answer.status == 503
    assert answer.body == {"status": "not ready", "reason": "the database \x1b does not answer", "running": 0}


def test_trouble_that_comes_and_goes_is_told_as_it_is_now(serve: Serve) -> None:
    now: list[str | None] = [None]
    server = serve(trouble=lambda: now[0])
    for trouble, status, word in ((None, 200, "ready"), ("", 503, "not ready"), (None, 200, "ready")):
        now[0] = trouble
        answer = ask(server, "/readyz")
        assert (answer.status, answer.body["status"]) == (status, word)


def test_details_cannot_pose_as_the_verdict(serve: Serve) -> None:
    server = serve(trouble=lambda: "no", status=lambda: {"status": "ready", "reason": "none"})
    assert ask(server, "/readyz").body == {"status": "not ready", "reason": "no"}


def test_answers_are_json_that_nobody_keeps_from_a_server_without_a_version(serve: Serve) -> None:
    server = serve()
    for answer in (ask(server, "/livez"), ask(server, "/readyz"), ask(server, "/"), ask(server, "/livez", "PUT")):
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Server"] == "bookbot-worker"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/nothing"])
def test_head_is_get_without_its_body(serve: Serve, path: str) -> None:
    server = serve(trouble=lambda: "no")
    got, head = ask(server, path), ask(server, path, "HEAD")
    assert head.body is None
    assert head.status == got.status
    assert head.headers["Content-Length"] == got.headers["Content-Length"] != "0"
    assert said_to(server, f"HEAD {path} HTTP/1.0\r\n\r\n".encode()).endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "path", ["/", "*", "/metrics", "/livez/", "/livez/x", "/LIVEZ", "/../livez", "/%6Civez", "http://[/livez"]
)
def test_other_paths_are_not_found(serve: Serve, path: str) -> None:
    server = serve()
    assert said_to(server, f"GET {path} HTTP/1.1\r\n\r\n".encode()).startswith(b"HTTP/1.0 404 ")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "finish", "error"])
def test_other_methods_are_refused_with_those_that_are_not(serve: Serve, method: str) -> None:
    answer = ask(serve(), "/livez", method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert answer.body == {"status": "error", "reason": "Method Not Allowed"}


def test_an_answer_survives_a_body_that_nobody_reads(serve: Serve) -> None:
    assert ask(serve(), "/livez", "POST", b"x" * 20_000_000).status == 405


BAD_REQUESTS = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "one word": (b"hunter2\r\n\r\n", 400),
    "four words": (b"GET /livez hunter2 HTTP/1.1\r\n\r\n", 400),
    "no version": (b"GET /livez FTP/1.1\r\n\r\n", 400),
    "version two": (b"GET /livez HTTP/2.0\r\n\r\n", 505),
    "long line": (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
    "long header": (b"GET /livez HTTP/1.1\r\nA: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    "many headers": (b"GET /livez HTTP/1.1\r\n" + b"A: a\r\n" * 200 + b"\r\n", 431),
}


@pytest.mark.parametrize(("question", "status"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_bad_request_gets_its_status_as_json_and_harms_nobody(serve: Serve, question: bytes, status: int) -> None:
    server = serve()
    head, _, body = said_to(server, question).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.0 {status} ".encode())
    assert json.loads(body)["status"] == "error"
    assert b"hunter2" not in head + body
    assert ask(server, "/livez").status == 200


@pytest.mark.parametrize(
    "question", [b"GET /livez\r\n\r\n", b"GET //livez HTTP/1.0\n\n", b"GET /livez HTTP/1.1\r\n\r\n"]
)
def test_old_and_sloppy_clients_are_understood(serve: Serve, question: bytes) -> None:
    assert said_to(serve(), question).endswith(b'{"status": "alive"}')


@pytest.mark.parametrize(
    ("trouble", "status", "name"),
    [
        (failing, dict, "RuntimeError"),
        (lambda: None, failing, "RuntimeError"),
        (lambda: None, lambda: {"x": object()}, "TypeError"),
        (lambda: None, lambda: {"x": float("nan")}, "ValueError"),
        (lambda: None, lambda: None, "TypeError"),
    ],
)
def test_what_cannot_be_told_is_an_error_that_names_only_its_type(
    serve: Serve, capfd: pytest.CaptureFixture[str], trouble: Any, status: Any, name: str
) -> None:
    server = serve(trouble, status)
    answer = ask(server, "/readyz")
    assert (answer.status, answer.body) == (500, {"status": "error", "reason": name})
    assert ask(server, "/livez").status == 200
    assert capfd.readouterr() == ("", "")


def test_figures_are_told_in_the_form_that_is_asked_for() -> None:
    asked: list[str] = []

    def figures(accept: str) -> tuple[str, bytes]:
        asked.append(accept)
        return "text/plain; version=0.0.4", b"jobs 1\n"

    server = HealthServer(0, lambda: "no", dict, figures)
    server.start()
    answer = said_to(server, b"GET /metrics?x=1 HTTP/1.1\r\nAccept: text/plain\r\n\r\n")
    head = said_to(server, b"HEAD /metrics HTTP/1.1\r\n\r\n")
    server.close()
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"Content-Type: text/plain; version=0.0.4\r\n" in answer
    assert answer.endswith(b"\r\n\r\njobs 1\n")
    assert head.endswith(b"Content-Length: 7\r\nCache-Control: no-store\r\n\r\n")
    assert asked == ["text/plain", ""]


def test_figures_that_cannot_be_told_are_an_error_that_names_only_its_type(capfd: pytest.CaptureFixture[str]) -> None:
    server = HealthServer(0, lambda: None, dict, lambda _accept: failing())
    server.start()
    answer = ask(server, "/metrics")
    server.close()
    assert (answer.status, answer.body) == (500, {"status": "error", "reason": "RuntimeError"})
    assert capfd.readouterr() == ("", "")


def test_half_open_clients_are_hung_up_on_whatever_they_have_sent(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "CLIENT_SECONDS", 0.2)
    server = serve()
    clients = [connected(server) for _ in range(4)]
    for client, part in zip(clients, (b"", b"GET", b"GET /livez HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nA:"), strict=True):
        client.sendall(part)
    assert ask(server, "/livez").status == 200
    assert all(has_hung_up(client) for client in clients)
    for client in clients:
        client.close()


def test_a_client_that_trickles_has_no_more_time_than_others(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CLIENT_SECONDS", 0.2)

    def is_refused() -> bool:
        try:
            client.sendall(b"a")
        except OSError:
            return True
        return False

    with connected(serve()) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nA: ")
        eventually(is_refused, 5)


def test_a_client_that_keeps_the_line_after_its_one_answer_is_left(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "CLIENT_SECONDS", 0.2)
    server = serve()
    before = threading.active_count()
    with connected(server) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\n\r\n" * 3)
        assert b"".join(iter(lambda: client.recv(65536), b"")).count(b"alive") == 1
        eventually(lambda: threading.active_count() == before, 5)


def test_there_are_never_more_clients_than_a_few_and_room_again_when_they_are_gone(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "MOST_CLIENTS", 3)
    server = serve()
    before = threading.active_count()
    silent = [connected(server) for _ in range(3)]
    eventually(lambda: threading.active_count() == before + 3)
    for _ in range(10):
        with connected(server) as client:
            assert has_hung_up(client)
    assert threading.active_count() == before + 3
    for client in silent:
        client.close()
    eventually(lambda: threading.active_count() == before)
    assert ask(server, "/livez").status == 200


def test_requests_at_the_same_time_do_not_wait_for_each_other(serve: Serve) -> None:
    asked, answer = threading.Semaphore(0), threading.Event()

    def slow() -> str | None:
        asked.release()
        answer.wait(20)
        return None

    server = serve(trouble=slow)
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(ask, server, "/readyz") for _ in range(10)]
        assert all(asked.acquire(timeout=20) for _ in waiting)
        alive = [pool.submit(ask, server, "/livez") for _ in range(10)]
        assert [future.result(20).status for future in alive] == [200] * 10
        assert not any(future.done() for future in waiting)
        answer.set()
        assert [future.result(20).status for future in waiting] == [200] * 10


def test_clients_that_go_away_early_leave_no_trace(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    entered, answer = threading.Event(), threading.Event()

    def slow() -> str:
        entered.set()
        answer.wait(20)
        return "x" * 10_000_000  # more than a socket takes when nobody reads

    server = serve(trouble=slow)
    with connected(server) as client:
        client.sendall(b"GET /readyz HTTP/1.1\r\n\r\n")
        assert entered.wait(20)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # reset, not close
    answer.set()
    assert ask(server, "/livez").status == 200
    server.close()
    assert capfd.readouterr() == ("", "")


def test_only_this_machine_can_ask(serve: Serve) -> None:
    """127.0.0.2 is this machine too, and would be answered by a server that listens on every address."""
    server = serve()
    with pytest.raises(OSError, match=r"refused|assign|unreachable|timed out"):
        socket.create_connection(("127.0.0.2", server.port), timeout=2).close()


@pytest.mark.parametrize(("host", "asked"), [("0.0.0.0", "127.0.0.2"), ("::1", "::1")])  # noqa: S104 - what is tested
def test_others_can_ask_where_the_page_is_told_to_answer(host: str, asked: str) -> None:
    server = HealthServer(0, lambda: None, dict, host=host)
    server.start()
    with socket.create_connection((asked, server.port), timeout=10) as client:
        client.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.0 200 ")
    server.close()


def test_an_address_of_another_machine_is_named_with_the_setting() -> None:
    server = HealthServer(4711, lambda: None, dict, host="192.0.2.1")
    with pytest.raises(ConfigurationError, match=r"port 4711 of 192\.0\.2\.1 cannot be opened: cannot assign"):
        server.start()
    server.close()


def test_a_port_that_is_taken_is_named_with_its_setting(serve: Serve) -> None:
    port = serve().port
    second = HealthServer(port, lambda: None, dict)
    with pytest.raises(ConfigurationError) as caught:
        second.start()
    assert str(caught.value) == f"BOOKBOT_HEALTH_PORT: port {port} cannot be opened: address already in use"
    second.close()


def test_a_closed_server_frees_its_port_and_hangs_up_on_everybody(serve: Serve) -> None:
    server = serve()
    with connected(server) as client:
        assert ask(server, "/livez").status == 200
        server.close()
        assert has_hung_up(client)
    server.close()
    with pytest.raises(ConnectionRefusedError):
        connected(server)
    again = HealthServer(server.port, lambda: None, dict)
    again.start()
    assert ask(again, "/livez").status == 200
    again.close()


def test_a_server_that_was_never_started_can_be_closed() -> None:
    server = HealthServer(4711, lambda: None, dict)
    assert server.port == 4711
    server.close()
