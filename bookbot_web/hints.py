"""From a job's error message to what a person can do about it: one sentence, or none. Pure.

The messages are the worker's own sentences (`llm/errors.py`, `llm/budget.py`, `queue/rescue.py`, the jobs); an
exception of job code begins with its class. First match wins.
"""

import re

_HINTS: tuple[tuple[str, str], ...] = (
    (
        r"^worker lost \d+ times",
        (
            "Its worker process died each time this job ran: killed for want of "
            "memory, or crashed by the job's own code. "
            "The worker's log and the system's (journalctl) say which. Retry it once that is mended."
        ),
    ),
    (
        r"over the budget of the (job|book|day)",
        (
            "Raise BOOKBOT_LLM_BUDGET_JOB_USD, _BOOK_USD or _DAY_USD, or wait for midnight UTC where it is the day's. "
            "A retry goes on where it stopped: answers it has paid for are not asked for again."
        ),
    ),
    (r"does not accept the key", "Set BOOKBOT_LLM_API_KEY of the worker to a valid key, restart it, and retry."),
    (r"has no credit left", "Add credit at the provider, then retry; answers it has are not paid for twice."),
    (
        r"knows no such model",
        "Check the model's name in the job's props, in the book or in BOOKBOT_LLM_MODEL, and BOOKBOT_LLM_BASE_URL.",
    ),
    (
        r"takes no more requests",
        (
            "The provider limits how often it is asked. Lower BOOKBOT_LLM_MAX_IN_FLIGHT or "
            "BOOKBOT_LLM_REQUESTS_PER_MINUTE, then retry."
        ),
    ),
    (
        (
            r"cannot be reached|connecting to .+ took longer|does not prove who it is|"
            r"does not speak the OpenAI protocol|"
            r"sends requests on to another address"
        ),
        "Check BOOKBOT_LLM_BASE_URL and the worker's way to it (DNS, proxy, firewall, certificates), then retry.",
    ),
    (
        (
            r"did not begin to answer within|paused for longer than|broke off before its end|has trouble of its own|"
            r"answered without any text|answered with nothing"
        ),
        "The provider had trouble. A retry later usually succeeds; a smaller or faster model is the other way.",
    ),
    (
        r"the prompt is longer than the model takes",
        "Name a model with a larger context, or shorten what the task's template puts into the prompt.",
    ),
    (
        r"answer of .+ is longer than BOOKBOT_LLM_ANSWER_CHARACTERS",
        "Ask for fewer words, or raise BOOKBOT_LLM_ANSWER_CHARACTERS.",
    ),
    (r"refuses this prompt for its content", "Change the brief or the scene's outline, or choose another model."),
    (
        r"golden rule",
        "Job code must not commit or roll back: remove that call. The worker commits its writes, once, at its end.",
    ),
    (r"execute\(\) must return True or False", "Let the job's execute() end with `return True` or `return False`."),
    (
        r"somebody else changed the same book or chunk",
        "Two writers met, and this one gave way; nothing was half written. Retry it.",
    ),
    (r"^The result could not be saved", "The database refused the job's writes; the trace and its log say which."),
    (
        r"ran longer than its limit|the export took longer than",
        "It ran into its time limit. Retry it, or raise the timeout of its type (exports: BOOKBOT_EXPORT_SECONDS).",
    ),
    (
        r"^props[.:]",
        "The props do not fit this job type any more: enqueue it anew with the named value mended.",
    ),
    (r"has no scenes yet", "Run create_foundation for this book first; it makes the outline and the empty scenes."),
    (r"there is nothing to (rewrite|edit|copyedit|review)", "Write the scene first (mode write)."),
    (
        r"retry this job to \w+ only those",
        "“Retry failed only” runs the scenes that were lost once more, and then this job.",
    ),
    (r"^(MemoryError|.*out of memory)", "Give the worker more memory, or run fewer jobs at a time (--concurrency)."),
    (
        r"^[A-Z]\w*(Error|Exception|Warning)\b",
        "An exception in the job's own code; the last lines of the trace name the place.",
    ),
)
_COMPILED = tuple((re.compile(pattern, re.ASCII), hint) for pattern, hint in _HINTS)
_LOOKED_AT = 4000


def hint_for(message: str | None) -> str | None:
    """What to do about this error, None where nothing useful is known."""
    text = (message or "")[:_LOOKED_AT]
    return next((hint for pattern, hint in _COMPILED if pattern.search(text)), None)
