"""Every route × everybody who may come: made from the application's own routes, so that a new one is in it at once."""

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import iter_route_contexts
from pydantic import SecretStr
from starlette.routing import Mount
from starlette.testclient import TestClient

from bookbot_web.app import create_app
from shared.ids import new_id
from shared.settings import Settings, load_settings

pytestmark = pytest.mark.acceptance

WRITE, READ = "a token to do everything with", "a token to look with, only"
OPEN = {"/login", "/logout", "/api/health", "/api/health/live"}
"""What asks for no token: signing in and out, and health."""

STREAMS = {"/api/jobs/{job_id}/events", "/api/events"}
"""They do not end; that they ask for a token is in the rows without one."""

PAGE = {"accept": "text/html,application/xhtml+xml"}


def routes() -> list[tuple[str, str]]:
    """Method and path of every route, but for static files."""
    app = create_app(load_settings(database_url="sqlite:///never-opened.db"))

    found: set[tuple[str, str]] = set()
    for route in iter_route_contexts(app.routes):
        if route.path == "/static":
            assert isinstance(route.original_route, Mount)
            continue
        assert route.methods, f"{route.path} is not covered by this test"
        found |= {(method, route.path) for method in route.methods - {"HEAD"}}
    return sorted(found)


ROUTES = routes()
GUARDED = [route for route in ROUTES if route[1] not in OPEN]


@pytest.fixture
def client(sqlite_settings: Settings) -> Iterator[TestClient]:
    """A client of an application with both tokens, under its public name."""
    tokens = {"web_token": SecretStr(WRITE), "web_read_token": SecretStr(READ)}
    app = create_app(sqlite_settings.model_copy(update=tokens))
    with TestClient(app, base_url="https://bookbot.example", follow_redirects=False) as client:
        yield client


def filled(path: str) -> str:
    return re.sub(r"\{[^}]+\}", lambda _: new_id(), path)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def sign_in(client: TestClient, token: str) -> None:
    answer = client.post("/login", data={"token": token}, headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 303, answer.text


def test_the_routes_are_found() -> None:
    assert ("POST", "/api/jobs") in GUARDED
    assert ("GET", "/") in GUARDED
    assert len(GUARDED) > 30
    assert {method for method, _ in ROUTES} <= {"GET", "POST"}


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_each_route_for_each_who_comes(client: TestClient, method: str, path: str) -> None:
    address = filled(path)
    for headers in ({}, bearer("a token that is wrong, by far"), {"cookie": "bookbot_session=forged"}):
        assert client.request(method, address, headers=headers).status_code == 401
    to_login = client.request(method, address, headers=PAGE)
    is_page = method == "GET" and not path.startswith("/api")
    assert to_login.status_code == (303 if is_page else 401)
    if is_page:
        assert to_login.headers["location"].startswith("/login?next=/")
    if path in STREAMS:
        return
    if method == "GET":
        for token in (READ, WRITE):
            assert client.get(address, headers=bearer(token)).status_code in (200, 303, 404, 422)
        return
    assert client.post(address, headers=bearer(READ)).status_code == 403
    assert client.post(address, headers=bearer(WRITE)).status_code in (200, 201, 202, 303, 404, 409, 415, 422)
    for token, allowed in ((READ, False), (WRITE, True)):
        client.cookies.clear()
        sign_in(client, token)
        ours = client.post(address, headers={"sec-fetch-site": "same-origin"}).status_code
        assert (ours != 403) is allowed
        for foreign in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil"}):
            assert client.post(address, headers=foreign).status_code == 403


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[0] == "POST"])
def test_what_changes_something_cannot_be_got(client: TestClient, method: str, path: str) -> None:
    assert method == "POST"
    if ("GET", path) in ROUTES:
        return  # a list and its form; the GET of that is in the table above
    answer = client.get(filled(path), headers=bearer(WRITE))
    other = [re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", shape), path) for verb, shape in ROUTES if verb == "GET"]
    assert answer.status_code == 405 or any(other)


@pytest.mark.parametrize("path", sorted(OPEN - {"/logout"}))
def test_what_is_open_says_nothing_but_that_it_is_there(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert not re.search(r"/jobs|/books", answer.text.replace('href="/jobs', "").replace('href="/books', ""))


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_no_answer_may_be_framed_sniffed_or_kept(client: TestClient, method: str, path: str) -> None:
    if path in STREAMS:
        return
    for headers in (bearer(WRITE), bearer(WRITE) | PAGE, {}):
        answer = client.request(method, filled(path), headers=headers)
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "style=" not in answer.text or "application/json" in answer.headers["content-type"]
        assert WRITE not in answer.text
        assert READ not in answer.text
