"""Which methods an address takes. With a route for each method, none of them knows the others."""

import re
from functools import lru_cache

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path


def methods_of(app: FastAPI, path: str) -> list[str]:
    """The methods that some route takes for `path` (below the prefix), sorted."""
    return sorted({method for pattern, methods in _table(app) if pattern.match(path) for method in methods})


@lru_cache(maxsize=4)
def _table(app: FastAPI) -> tuple[tuple[re.Pattern[str], frozenset[str]], ...]:
    routes = iter_route_contexts(app.routes)
    found = [(route.path, route.methods) for route in routes]
    return tuple((compile_path(path)[0], frozenset(methods)) for path, methods in found if path and methods)
