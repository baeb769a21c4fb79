"""What holds for every request before any route: where the site is, who asks, headers that make browsers careful."""

from ipaddress import ip_address

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # Not no-referrer: with that, older browsers send "Origin: null" with our own forms.
    (b"referrer-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


class Prefix:
    """Has the application know below which path a proxy serves it, whether the proxy cuts that path off or not."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with the whole path, and `root_path`, as ASGI wants them."""
        if self._prefix and scope["type"] == "http":
            path: str = scope["path"]
            is_whole = path == self._prefix or path.startswith(self._prefix + "/")
            scope = {**scope, "root_path": self._prefix, "path": path if is_whole else self._prefix + path}
        await self._app(scope, receive, send)


class SecurityHeaders:
    """Adds the headers to every answer, where its route has not set them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; the start of the answer gets the headers. Who asks may nothing until they are known."""
        if scope["type"] == "http":
            scope.setdefault("state", {}).setdefault("may_write", False)

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", [])
                names = {name for name, _ in given}
                message["headers"] = [*given, *(header for header in HEADERS if header[0] not in names)]
            await send(message)

        await self._app(scope, receive, adding)


def own_path(scope: Scope) -> str:
    """The path below the prefix."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def client_of(scope: Scope) -> str:
    """Who asks, as far as it counts: of IPv6 the network of a household, which has 2^64 addresses."""
    host: str = scope["client"][0] if scope.get("client") else "local"
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return address.exploded[:19] if address.version == 6 and not address.is_loopback else host
