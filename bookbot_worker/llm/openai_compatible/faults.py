"""The SDK's exceptions as ours: which kind, in which words. Nothing of the request goes along."""

import os
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx2
import openai

from bookbot_worker.llm.errors import Kind
from bookbot_worker.llm.openai_compatible.answer import Unreadable
from bookbot_worker.llm.openai_compatible.reading import Complaint
from bookbot_worker.llm.retry_after import retry_after


def fault_of(error: BaseException) -> tuple[Kind, str, timedelta | None] | None:
    """The kind of `error`, the words for it as the server or the system put them, and how long to wait.

    None for what is no fault of a server's.
    """
    match error:
        case Unreadable():
            return error.kind, error.detail, None
        case openai.APIStatusError():
            headers = {name.lower(): value for name, value in error.response.headers.items()}
            complaint = complaint_of(error)
            return complaint.kind, complaint.words, retry_after(headers, datetime.now(UTC))
        case openai.APIConnectionError():
            return *_of_connection(error), None
        case openai.APIError():
            complaint = complaint_of(error)
            return complaint.kind, complaint.words, None
        case ValueError() | RecursionError():  # of the JSON decoder: also numbers too long, and brackets too deep
            return Kind.BAD_ANSWER, "it is not JSON", None
        case httpx2.HTTPError() | httpx2.StreamError():
            return Kind.CUT, "", None
        case _:
            return None


def complaint_of(error: openai.APIError) -> Complaint:
    """What the server said."""
    status = error.status_code if isinstance(error, openai.APIStatusError) else 0
    return Complaint.of(status, error.body)


def _of_connection(error: openai.APIConnectionError) -> tuple[Kind, str]:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Kind.TLS, cause.verify_message
    if any(isinstance(cause, httpx2.ConnectTimeout) for cause in causes):
        return Kind.CONNECT_TIMEOUT, ""
    if any(isinstance(cause, httpx2.ConnectError) for cause in causes):
        reasons = [_reason(cause) for cause in causes if isinstance(cause, OSError)]
        return Kind.UNREACHABLE, reasons[-1] if reasons else ""
    return Kind.CUT, ""


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):  # its number is none of the system's
        return f"TLS: {(error.reason or 'it failed').replace('_', ' ').lower()}"
    if error.errno is not None and error.errno > 0:  # asyncio's own words name the address once more
        return os.strerror(error.errno)
    return error.strerror or ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
