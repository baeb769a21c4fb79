"""Ports and answers of servers that a test starts."""

import socket
import urllib.error
import urllib.request


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    """Whether a server answers here, be it with an error."""
    try:
        with urllib.request.urlopen(url, timeout=10):  # noqa: S310 - the test's own server
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False
