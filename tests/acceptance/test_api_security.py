"""Who may use the API: nobody from outside without the token, no foreign page through the browser."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from bookbot_web.app import create_app
from bookbot_web.auth import check_bind_address, is_loopback
from shared.errors import ConfigurationError
from shared.settings import Settings, load_settings

pytestmark = pytest.mark.acceptance

TOKEN = "correct horse battery é"  # noqa: S105 - a test's own
ROUTES = ["/api/jobs", "/api/jobs/x", "/api/jobs/x/logs", "/api/books", "/api/books/x", "/api/files/x"]


@pytest.fixture
def open_client(sqlite_settings: Settings) -> Iterator[TestClient]:
    """A client of an application without a token."""
    with TestClient(create_app(sqlite_settings), base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.fixture
def client(sqlite_settings: Settings) -> Iterator[TestClient]:
    """A client of an application with a token, under its public name."""
    settings = sqlite_settings.model_copy(update={"web_token": SecretStr(TOKEN)})
    with TestClient(create_app(settings), base_url="https://bookbot.example") as client:
        yield client


def bearer(token: str, scheme: str = "Bearer") -> dict[str, bytes]:
    return {"authorization": f"{scheme} {token}".encode()}


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("wrong"),
        bearer(""),
        bearer(TOKEN, "Basic"),
        bearer(TOKEN[:-1]),
        bearer(TOKEN + "x"),
        bearer(TOKEN * 2),
        {"cookie": TOKEN.encode()},
    ],
)
def test_without_the_right_token_every_route_is_401(client: TestClient, path: str, headers: dict[str, bytes]) -> None:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    for post in ("/api/jobs", "/api/jobs/x/cancel", "/api/jobs/x/retry"):
        assert client.post(post, headers=headers, content=b"x" * 1000).status_code == 401


def test_with_the_token_the_api_answers_and_health_never_asks(client: TestClient) -> None:
    assert client.get("/api/jobs", headers=bearer(TOKEN)).status_code == 200
    assert client.post("/api/jobs", headers=bearer(TOKEN, "bearer"), json={"job_type": "demo"}).status_code == 201
    assert client.get("/api/health").status_code == 200


def test_the_token_is_in_no_answer_and_no_repr(client: TestClient, sqlite_settings: Settings) -> None:
    settings = sqlite_settings.model_copy(update={"web_token": SecretStr(TOKEN)})
    assert TOKEN not in repr(settings)
    for path in ("/", "/api/openapi.json", "/api/health", "/api/jobs"):
        assert TOKEN not in client.get(path, headers=bearer(TOKEN)).text


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": ""},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://[bad"},
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "localhost:8000@evil.example"},
        {"host": ""},
    ],
)
def test_a_foreign_page_can_change_nothing(open_client: TestClient, headers: dict[str, str]) -> None:
    assert open_client.post("/api/jobs", json={"job_type": "demo"}, headers=headers).status_code == 403
    assert open_client.get("/api/jobs").json()["jobs"] == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"origin": "http://127.0.0.1:8000"},
        {"host": "localhost:8000", "origin": "http://localhost:8000"},
        {"host": "[::1]:8000"},
    ],
)
def test_this_machine_may_enqueue_without_a_token(open_client: TestClient, headers: dict[str, str]) -> None:
    assert open_client.post("/api/jobs", json={"job_type": "demo"}, headers=headers).status_code == 201


def test_a_rebound_name_cannot_read_either(open_client: TestClient) -> None:
    assert open_client.get("/api/jobs", headers={"host": "evil.example"}).status_code == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "", "bookbot.example", "::ffff:0.0.0.0"])  # noqa: S104
def test_a_public_address_needs_a_token(host: str) -> None:
    with pytest.raises(ConfigurationError, match="BOOKBOT_WEB_TOKEN"):
        check_bind_address(host, load_settings(web_token=""))
    check_bind_address(host, load_settings(web_token=TOKEN))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_addresses_need_none(host: str) -> None:
    assert is_loopback(host)
    check_bind_address(host, load_settings())


def test_a_token_that_could_be_guessed_is_refused(sqlite_settings: Settings) -> None:
    short = sqlite_settings.model_copy(update={"web_token": SecretStr("hunter2")})
    with pytest.raises(ConfigurationError, match="at least 16"):
        create_app(short)


def test_the_web_brings_no_worker_code_with_it() -> None:
    code = "import sys, bookbot_web.__main__; sys.exit(any(name.startswith('bookbot_worker') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
