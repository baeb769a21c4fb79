"""Signing in: what the cookie is worth, when it ends, where it leads, and what was said after an action."""

import time
from collections.abc import Iterator

import itsdangerous.timed
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from bookbot_web.app import create_app
from bookbot_web.cookies import SESSION, SESSION_SECONDS
from bookbot_web.pages.login import BURST, own_path_of
from shared.errors import ConfigurationError
from shared.settings import Settings

pytestmark = pytest.mark.acceptance

WRITE, READ = "a token to do everything with", "a token to look with, only"
SAME = {"sec-fetch-site": "same-origin"}
PAGE = {"accept": "text/html"}


def with_tokens(settings: Settings, **more: object) -> Settings:
    return settings.model_copy(update={"web_token": SecretStr(WRITE), "web_read_token": SecretStr(READ)} | more)


@pytest.fixture
def client(sqlite_settings: Settings) -> Iterator[TestClient]:
    app = create_app(with_tokens(sqlite_settings))
    with TestClient(app, base_url="https://bookbot.example", follow_redirects=False) as client:
        yield client


def sign_in(client: TestClient, token: str, **form: str) -> object:
    return client.post("/login", data={"token": token} | form, headers=SAME)


def test_a_browser_is_led_to_the_login_page_and_back_to_where_it_was_going(client: TestClient) -> None:
    asked = client.get("/jobs?state=failed&queue=a", headers=PAGE)
    page = client.get(asked.headers["location"])
    assert 'name="next" value="/jobs?state=failed&amp;queue=a"' in page.text
    signed = client.post("/login", data={"token": WRITE, "next": "/jobs?state=failed&queue=a"}, headers=SAME)
    assert (signed.status_code, signed.headers["location"]) == (303, "/jobs?state=failed&queue=a")
    assert client.get("/jobs", headers=PAGE).status_code == 200
    assert client.get("/api/jobs").status_code == 200
    assert client.get("/login").headers["location"] == "/"


def test_the_cookie_is_for_this_site_alone_and_names_no_token(client: TestClient) -> None:
    cookie = client.post("/login", data={"token": WRITE}, headers=SAME).headers["set-cookie"]
    for attribute in ("HttpOnly", "SameSite=lax", "Secure", "Path=/", f"Max-Age={SESSION_SECONDS}"):
        assert attribute in cookie
    assert WRITE not in cookie


def test_without_tls_the_cookie_works_too_and_behind_a_proxy_with_tls_it_is_secure(sqlite_settings: Settings) -> None:
    for more, is_secure in ({}, False), ({"web_origin": "https://books.example"}, True):
        app = create_app(with_tokens(sqlite_settings, **more))
        with TestClient(app, base_url="http://127.0.0.1:8000", follow_redirects=False) as client:
            cookie = client.post("/login", data={"token": READ}, headers=SAME).headers["set-cookie"]
        assert ("Secure" in cookie) is is_secure


def test_a_session_ends_by_itself(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(client, WRITE)
    assert client.get("/api/jobs").status_code == 200
    later = time.time() + SESSION_SECONDS + 5
    monkeypatch.setattr(itsdangerous.timed.time, "time", lambda: later)
    assert client.get("/api/jobs").status_code == 401


@pytest.mark.parametrize("token", [WRITE, READ])
def test_who_changes_a_token_ends_the_sessions_opened_with_it(
    client: TestClient, sqlite_settings: Settings, token: str
) -> None:
    sign_in(client, token)
    name = "web_token" if token == WRITE else "web_read_token"
    changed = create_app(with_tokens(sqlite_settings, **{name: SecretStr("another token, as long")}))
    same = create_app(with_tokens(sqlite_settings))
    for app, status in ((changed, 401), (same, 200)):
        with TestClient(app, base_url="https://bookbot.example", cookies=dict(client.cookies)) as other:
            assert other.get("/api/jobs").status_code == status


def test_a_session_to_look_cannot_be_made_one_to_write(client: TestClient) -> None:
    sign_in(client, READ)
    assert client.post("/api/jobs", json={"job_type": "demo"}, headers=SAME).status_code == 403
    role, _, rest = client.cookies[SESSION].partition(".")
    forged = client.cookies[SESSION].replace(role, role[::-1], 1) if rest else ""
    client.cookies.clear()
    assert client.get("/api/jobs", headers={"cookie": f"{SESSION}={forged}"}).status_code == 401


def test_signing_out_makes_the_browser_forget(client: TestClient) -> None:
    assert "Sign out" not in client.get("/login").text
    sign_in(client, WRITE)
    assert "Sign out" in client.get("/jobs").text
    gone = client.post("/logout", headers=SAME)
    assert (gone.status_code, gone.headers["location"]) == (303, "/login")
    assert client.get("/api/jobs").status_code == 401


def test_another_site_can_sign_nobody_in_or_out(client: TestClient) -> None:
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "null"}):
        assert client.post("/login", data={"token": WRITE}, headers=headers).status_code == 403
        assert client.post("/logout", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "onward",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "", "x", "/a\r\nb"],
)
def test_nobody_is_led_to_another_site(client: TestClient, onward: str) -> None:
    assert own_path_of(onward) == "/"
    answer = client.post("/login", data={"token": WRITE, "next": onward}, headers=SAME)
    assert answer.headers["location"] == "/"


def test_a_wrong_token_is_told_and_after_ten_there_is_a_pause(client: TestClient) -> None:
    for _ in range(BURST):
        answer = client.post("/login", data={"token": "not the token at all"}, headers=SAME)
        assert answer.status_code == 401
        assert "This is not the token." in answer.text
        assert "not the token at all" not in answer.text
    answer = client.post("/login", data={"token": WRITE}, headers=SAME | PAGE)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1


def test_what_an_action_said_is_shown_once_and_is_only_ours(client: TestClient) -> None:
    sign_in(client, WRITE)
    job_id = client.post("/api/jobs", json={"job_type": "demo"}, headers=SAME).json()["job_id"]
    answer = client.post(f"/jobs/{job_id}/cancel", headers=SAME)
    assert answer.status_code == 303
    assert "It is being called off." in client.get(answer.headers["location"]).text
    assert "It is being called off." not in client.get(answer.headers["location"]).text
    client.cookies.set("bookbot_said", "ImhlbGxvIg.forged.words", domain="bookbot.example")
    assert "hello" not in client.get("/jobs").text


def test_without_a_token_there_is_nothing_to_sign_in_to(sqlite_settings: Settings) -> None:
    with TestClient(create_app(sqlite_settings), base_url="http://localhost", follow_redirects=False) as client:
        assert client.get("/login").headers["location"] == "/"
        assert sign_in(client, "anything") is not None
        assert SESSION not in client.cookies


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"web_read_token": "a token to look with"}, "set BOOKBOT_WEB_TOKEN too"),
        ({"web_token": WRITE, "web_read_token": WRITE}, "must differ"),
        ({"web_token": WRITE, "web_read_token": "short"}, "at least 16"),
        ({"web_origin": "https://books.example"}, "set BOOKBOT_WEB_TOKEN too"),
    ],
)
def test_settings_that_would_give_more_than_they_say_are_refused(
    sqlite_settings: Settings, given: dict[str, str], words: str
) -> None:
    values = {name: SecretStr(text) if "token" in name else text for name, text in given.items()}
    with pytest.raises(ConfigurationError, match=words):
        create_app(sqlite_settings.model_copy(update=values))
