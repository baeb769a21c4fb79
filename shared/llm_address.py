"""What may be set as the address of an LLM server, and which key may be sent there."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

_PRIVATE_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


def check_base_url(url: str) -> str:
    """`url` without a slash at its end; "" stays "". Raises ValueError with the reason, never showing the address."""
    if not url.strip():
        return ""
    parts = _split(url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an address like https://host/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or a password; the key goes into BOOKBOT_LLM_API_KEY")
    if parts.query or parts.fragment:
        raise ValueError("must not hold a ? or a #")
    if any(character <= " " or character > "~" for character in url.strip()):
        raise ValueError("holds a character that no address can have")
    return url.strip().rstrip("/")


def check_key(key: str, base_url: str) -> str:
    """`key` without white space around it. Raises ValueError where it could or should not be sent to `base_url`."""
    key = key.strip()
    if any(character <= " " or character > "~" for character in key):
        raise ValueError("holds a character that cannot be sent in an HTTP header")
    if key and base_url and travels_in_the_clear(base_url):
        raise ValueError("would be sent unencrypted over the internet; BOOKBOT_LLM_BASE_URL must begin with https://")
    return key


def travels_in_the_clear(base_url: str) -> bool:
    """Whether what is sent there can be read on its way: plain HTTP to a host that is not of a private network.

    Private are: this machine, private and link-local IP addresses, names without a dot (containers, a local network),
    and names under .local, .internal and the like.
    """
    parts = _split(base_url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme == "https":
        return False
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "." in host and not host.endswith(_PRIVATE_NAMES)
    return not (address.is_private or address.is_loopback or address.is_link_local)


def needs_key(base_url: str) -> bool:
    """Whether a server of this address surely wants a key: it is on the internet, or its address says https."""
    return _split(base_url).scheme == "https" or travels_in_the_clear(base_url)


def _split(url: str) -> SplitResult:
    """Raises ValueError for what is no address."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError:
        raise ValueError("is no address") from None
    return parts
