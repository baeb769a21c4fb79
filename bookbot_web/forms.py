"""What the pages' own forms send: small, read once, each value a text. Files are for the routes that take them."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from starlette.datastructures import FormData

FORM_KINDS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def _read_form(request: Request) -> AsyncIterator[FormData]:
    """The fields, bounded by the middleware. Raises HTTPException 415 for what no form sends."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind not in FORM_KINDS:
        raise HTTPException(415, "send the form as application/x-www-form-urlencoded")
    async with request.form(max_files=4, max_fields=500) as form:  # its files are closed with the request
        yield form


Form = Annotated[FormData, Depends(_read_form)]
"""Parameter of a page's action: the fields of its form."""


def text_of(form: FormData, name: str) -> str | None:
    """The value of a field without the spaces around it; None where it is missing or empty."""
    value = form.get(name)
    return (value.strip() or None) if isinstance(value, str) else None
