"""What one client may send, under which names, and from where."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from bookbot_web.app import create_app
from bookbot_web.limits import MAX_BODY_BYTES, body_limit
from bookbot_web.middleware import client_of
from bookbot_web.rates import MOST_CLIENTS, Rate
from shared.errors import ConfigurationError
from shared.settings import Settings, load_settings

pytestmark = pytest.mark.acceptance

TOKEN = "a token to do everything with"  # noqa: S105 - a test's own
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def public(sqlite_settings: Settings) -> Iterator[TestClient]:
    """A client of an application behind a proxy, under its public name."""
    settings = sqlite_settings.model_copy(
        update={"web_token": SecretStr(TOKEN), "web_origin": "https://books.example", "web_writes_per_minute": 120}
    )
    with TestClient(create_app(settings), base_url="https://books.example", follow_redirects=False) as client:
        yield client


def test_only_its_own_names_are_answered_to(public: TestClient) -> None:
    for host, status in (("books.example", 200), ("127.0.0.1:8000", 200), ("localhost", 200), ("evil.example", 403)):
        assert public.get("/api/jobs", headers=BEARER | {"host": host}).status_code == status
    assert public.get("/login", headers={"host": "evil.example"}).status_code == 403
    assert public.get("/api/health", headers={"host": "10.0.0.7"}).status_code == 200


def test_pages_under_the_public_name_may_post_though_the_proxy_changes_the_host(public: TestClient) -> None:
    for origin, status in (("https://books.example", 303), ("https://evil.example", 403)):
        headers = {"host": "127.0.0.1:8000", "origin": origin}
        assert public.post("/login", data={"token": TOKEN}, headers=headers).status_code == status


def test_a_client_that_writes_without_end_is_slowed_down(public: TestClient) -> None:
    answers = [public.post("/api/jobs", json={"job_type": "demo"}, headers=BEARER) for _ in range(40)]
    assert answers[0].status_code == 201
    assert answers[-1].status_code == 429
    assert answers[-1].headers["content-type"] == "application/problem+json"
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert public.get("/api/jobs", headers=BEARER).status_code == 200


def test_a_rate_is_refilled_and_forgets_the_oldest_clients() -> None:
    now = [0.0]
    rate = Rate(2, 0.5, lambda: now[0])
    assert [rate.seconds_to_wait("a") for _ in range(3)] == [0, 0, 2]
    assert rate.seconds_to_wait("b") == 0
    now[0] = 2.0
    assert [rate.seconds_to_wait("a") for _ in range(2)] == [0, 2]
    for number in range(MOST_CLIENTS):
        rate.seconds_to_wait(f"client {number}")
    assert rate.seconds_to_wait("a") == 0


@pytest.mark.parametrize(
    ("client", "name"),
    [
        (None, "local"),
        (("192.0.2.7", 1), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:0db8:0001:0002"),
        (("2001:db8:1:2:ffff::", 1), "2001:0db8:0001:0002"),
        (("::1", 1), "::1"),
        (("testclient", 1), "testclient"),
    ],
)
def test_a_household_is_one_client(client: tuple[str, int] | None, name: str) -> None:
    assert client_of({"client": client}) == name


def test_only_routes_that_need_it_take_more_than_a_quarter_of_a_megabyte(public: TestClient) -> None:
    for path in ("/", "/api/jobs", "/login", "/jobs/x/cancel", "/api/books/x", "/books/x/covers/y", "/xbooks/new"):
        assert body_limit(path) == MAX_BODY_BYTES
    assert body_limit("/books/x/covers") > 10 * 1024 * 1024
    large = {"title": "t", "brief": "x" * 300_000, "style": "s", "start": False}
    assert public.post("/api/books", json=large, headers=BEARER).status_code == 201
    assert public.post("/login", data={"token": "x" * 300_000}).status_code == 413


@pytest.mark.parametrize(
    "headers", [{"x-forwarded-for": "192.0.2.7"}, {"forwarded": "for=192.0.2.7"}, {"x-real-ip": "192.0.2.7"}]
)
def test_without_a_token_nobody_is_served_through_a_proxy(sqlite_settings: Settings, headers: dict[str, str]) -> None:
    with TestClient(create_app(sqlite_settings), base_url="http://127.0.0.1:8000") as client:
        assert client.get("/api/jobs", headers=headers).status_code == 403
        assert client.get("/api/jobs").status_code == 200


@pytest.mark.parametrize(("peer", "status"), [("192.0.2.7", 403), ("::ffff:192.0.2.7", 403), ("127.0.0.1", 200)])
def test_without_a_token_only_this_machine_is_served_however_the_server_was_started(
    sqlite_settings: Settings, peer: str, status: int
) -> None:
    app = create_app(sqlite_settings)
    with TestClient(app, base_url="http://127.0.0.1:8000", client=(peer, 50_000)) as client:
        assert client.get("/api/jobs").status_code == status


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("web_origin", "books.example"),
        ("web_origin", "https://books.example/path"),
        ("web_origin", "https://user@books.example"),
        ("web_origin", "ftp://books.example"),
        ("web_prefix", "bookbot"),
        ("web_prefix", "/a/../b"),
        ("web_prefix", '/"><script>'),
        ("web_prefix", "//evil.example"),
    ],
)
def test_where_the_web_is_must_be_an_origin_and_a_path(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"BOOKBOT_{name.upper()}"):
        load_settings(**{name: value})


def test_static_files_are_kept_for_ever_under_their_fingerprint_and_asked_for_anew_without(public: TestClient) -> None:
    page = public.get("/login").text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    kept = public.get(address)
    assert kept.status_code == 200
    assert "immutable" in kept.headers["cache-control"]
    for other in (address.partition("?")[0], address + "0"):
        assert public.get(other).headers["cache-control"] == "no-cache"
    for missing in ("/static/none.css", "/static/../app.py", "/static/%2e%2e/app.py", "/static/%00"):
        assert public.get(missing).status_code in (404, 401, 303)
