"""For people who write job types: run one job, or all, on a scratch database, with an LLM that answers from a script.

Jobs run as they do in a worker: claimed, executed under the golden rule, settled in one transaction. Only the database
is small and the author scripted. `plugin.py` has the pytest fixtures; docs/testing.md tells how they are used.
Nothing of this is used by a worker.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bookbot_worker.testing.performed import Performed, Write
    from bookbot_worker.testing.performing import NotPerformed, drain, perform_job
    from bookbot_worker.testing.scratch import scratch_settings
    from bookbot_worker.testing.scripted_llm import Cut, ScriptedLLM, Slow

__all__ = [
    "Cut",
    "NotPerformed",
    "Performed",
    "ScriptedLLM",
    "Slow",
    "Write",
    "drain",
    "perform_job",
    "scratch_settings",
]

_HOME = {
    "Cut": "scripted_llm",
    "NotPerformed": "performing",
    "Performed": "performed",
    "ScriptedLLM": "scripted_llm",
    "Slow": "scripted_llm",
    "Write": "performed",
    "drain": "performing",
    "perform_job": "performing",
    "scratch_settings": "scratch",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: pytest loads the plugin beside this in every project that has us installed."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
