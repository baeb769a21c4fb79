"""Behind a proxy that serves the web below a path: with the path cut off or left on, all addresses lead here."""

import http.client
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.acceptance.test_api_process import server

pytestmark = pytest.mark.acceptance

PREFIX = "/tools/bookbot"
TOKEN = "a token to do everything with"  # noqa: S105 - a test's own


@contextmanager
def proxy(backend: str, strips: bool) -> Iterator[str]:
    """A reverse proxy that serves `backend` below PREFIX, and nothing beside it."""
    host = backend.removeprefix("http://")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(PREFIX + "/"):
                self.send_error(404, "not below the prefix")
                return
            connection = http.client.HTTPConnection(host, timeout=20)
            size = int(self.headers.get("content-length", 0))
            path = self.path.removeprefix(PREFIX) if strips else self.path
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request(self.command, path, self.rfile.read(size), headers | {"X-Forwarded-For": "192.0.2.7"})
            answer = connection.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection", "date"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            connection.close()

        do_POST = do_GET  # noqa: N815 - as the library calls it

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def ask(host: str, method: str, path: str, body: str = "", **headers: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and text; redirects are not followed."""
    connection = http.client.HTTPConnection(host, timeout=20)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    text = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text


@pytest.mark.parametrize("strips", [True, False])
def test_every_address_on_every_page_is_below_the_prefix(
    sqlite_settings: Settings, tmp_path: Path, strips: bool
) -> None:
    database = sqlite_settings.database_url.get_secret_value()
    environment = {"DATABASE_URL": database, "BOOKBOT_WEB_PREFIX": PREFIX, "BOOKBOT_WEB_TOKEN": TOKEN}
    with server(tmp_path, log=tmp_path / "web.log", **environment) as (url, _), proxy(url, strips) as host:
        status, headers, _ = ask(host, "GET", f"{PREFIX}/jobs?state=failed", accept="text/html")
        assert (status, headers["location"]) == (303, f"{PREFIX}/login?next=/jobs%3Fstate%3Dfailed")
        form = {"content_type": "application/x-www-form-urlencoded", "sec_fetch_site": "same-origin"}
        status, headers, _ = ask(host, "POST", f"{PREFIX}/login", f"token={TOKEN.replace(' ', '+')}&next=/jobs", **form)
        assert (status, headers["location"]) == (303, f"{PREFIX}/jobs")
        assert f"Path={PREFIX}" in headers["set-cookie"]
        cookie = headers["set-cookie"].partition(";")[0]
        body = '{"job_type": "demo"}'
        status, headers, _ = ask(
            host, "POST", f"{PREFIX}/api/jobs", body, content_type="application/json", cookie=cookie
        )
        assert status == 201
        assert headers["location"].startswith(f"{PREFIX}/api/jobs/")
        job = headers["location"].removeprefix(f"{PREFIX}/api")
        seen: set[str] = set()
        for page in ("/", "/jobs", job, "/books", "/books/new", "/api/docs"):
            status, _, text = ask(host, "GET", PREFIX + page, cookie=cookie, accept="text/html")
            assert status == 200, page
            addresses = re.findall(r'(?:href|src|action|data-events)="(/[^"]*)"', text)
            assert addresses
            assert [address for address in addresses if not address.startswith(PREFIX)] == []
            seen |= {address for address in addresses if "/static/" in address}
        for address in seen:
            assert ask(host, "GET", address)[0] == 200
        status, headers, _ = ask(host, "POST", f"{PREFIX}{job}/cancel", "", cookie=cookie, **form)
        assert (status, headers["location"]) == (303, PREFIX + job)
        assert ask(host, "GET", f"{PREFIX}/api/openapi.json", cookie=cookie)[2].count(f'"url":"{PREFIX}"') == 1
        assert ask(host, "GET", f"{PREFIX}/api/health")[0] == 200
