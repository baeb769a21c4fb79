"""The few kinds of mistakes a caller can make. Each carries one sentence for the reader.

The CLI turns them into exit codes, the web into status codes; nothing else may be needed to explain them.
"""


class BookbotError(Exception):
    """Something the user can act on; `str()` is the whole explanation."""


class ConfigurationError(BookbotError):
    """A setting is missing or wrong. The text lists every wrong setting at once."""


class SchemaMismatch(BookbotError):
    """The database's schema is not the one this version was written for."""


class InvalidInput(BookbotError):
    """A value given by the caller cannot be accepted; nothing was stored.

    `field` names the value as a dotted path ("props.target_words", "book_id"), for forms and 422 answers.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class UnknownJobType(InvalidInput):
    """No job type of this name is in the catalogue."""

    def __init__(self, name: str, known: list[str], guess: str | None) -> None:
        hint = f"did you mean {guess!r}?" if guess else f"known: {', '.join(known)}"
        super().__init__("job_type", f"there is no job type {name[:80]!r}; {hint}")


class NotFound(BookbotError):
    """The thing with this id does not exist."""

    def __init__(self, kind: str, ident: str) -> None:
        super().__init__(f"there is no {kind} {ident[:80]!r}")
        self.kind = kind
        self.ident = ident


class Conflict(BookbotError):
    """The request is well-formed but the job is not in a state that allows it; nothing was changed."""
