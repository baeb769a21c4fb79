"""The two tokens and what each allows. Here alone they are compared, and the keys of cookies made from them.

No further secret is needed: a cookie is signed with a key that follows from the token, so whoever changes the token
ends every session that was opened with it.
"""

import hashlib
import hmac
import secrets
from enum import StrEnum

from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.settings import Settings

SHORTEST_TOKEN = 16


class Role(StrEnum):
    """What its holder may do: look at everything, or also change it."""

    READ = "read"
    WRITE = "write"


def tokens_of(settings: Settings) -> dict[Role, bytes]:
    """The tokens that are set; an empty one counts as none."""
    given = {Role.WRITE: settings.web_token, Role.READ: settings.web_read_token}
    return {role: text for role, token in given.items() if (text := _text(token))}


def role_of(settings: Settings, given: bytes) -> Role | None:
    """The role of who shows this token, None where it is none of ours. Takes as long for every wrong one."""
    matches = [role for role, token in tokens_of(settings).items() if secrets.compare_digest(given, token)]
    return matches[0] if matches else None


def key_for(settings: Settings, purpose: str, role: Role | None = None) -> bytes:
    """A key for signing that follows from the role's token; without one, from what only this installation knows."""
    source = tokens_of(settings).get(role) if role else None
    if source is None:
        source = settings.database_url.get_secret_value().encode() + b"".join(tokens_of(settings).values())
    return hmac.digest(hashlib.sha256(source).digest(), purpose.encode(), "sha256")


def check_tokens(settings: Settings) -> None:
    """Raises ConfigurationError for a token that could be guessed, or would give more than it says."""
    tokens = tokens_of(settings)
    for role, token in tokens.items():
        name = "BOOKBOT_WEB_TOKEN" if role is Role.WRITE else "BOOKBOT_WEB_READ_TOKEN"
        if len(token) < SHORTEST_TOKEN:
            raise ConfigurationError(f"{name}: must have at least {SHORTEST_TOKEN} characters")
    if Role.READ in tokens and Role.WRITE not in tokens:
        raise ConfigurationError("BOOKBOT_WEB_READ_TOKEN: set BOOKBOT_WEB_TOKEN too; without it everybody may write")
    if len(set(tokens.values())) < len(tokens):
        raise ConfigurationError("BOOKBOT_WEB_READ_TOKEN: must differ from BOOKBOT_WEB_TOKEN")
    if settings.web_origin and not tokens:
        raise ConfigurationError("BOOKBOT_WEB_ORIGIN: set BOOKBOT_WEB_TOKEN too; nobody is anonymous from afar")


def _text(token: SecretStr | None) -> bytes:
    return token.get_secret_value().encode() if token else b""
