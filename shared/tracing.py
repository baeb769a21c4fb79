"""The trace a caller is in, to be kept with the jobs it enqueues, so that their runs become part of it.

OpenTelemetry is asked only where somebody has loaded it already: who traces nothing pays nothing and needs no package.
"""

import sys
from typing import Any


def trace_columns() -> dict[str, str]:
    """The column of `jobs` that says which span this thread is in; nothing where it is in none.

    The value is a `traceparent` of version 00 (W3C Trace Context, section 3.2).
    """
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is None:
        return {}
    context = api.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_context": f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"}
