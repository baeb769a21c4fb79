"""What a list of jobs is narrowed by, in the address and in the forms that keep it."""

from dataclasses import dataclass
from urllib.parse import urlencode

from shared.views.job_search import FILTERS


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for; empty means any. The names are those of the address and of the form."""

    state: str = ""
    job_type: str = ""
    book_id: str = ""
    queue: str = ""
    parent_job_id: str = ""

    def given(self) -> dict[str, str]:
        """Those that are set."""
        return {name: value for name in FILTERS if (value := getattr(self, name))}

    def query(self, **changed: str) -> str:
        """As a query, with some changed; an empty one falls away."""
        return urlencode({name: value for name, value in (self.given() | changed).items() if value})


def read_filters(state: str, job_type: str, book_id: str, queue: str, parent_job_id: str) -> Filters:
    """The filters without the spaces around them."""
    return Filters(*(given.strip() for given in (state, job_type, book_id, queue, parent_job_id)))
