"""Which model answers a prompt: one decision, from the most particular wish to the most general."""

from collections.abc import Mapping


def choose_model(
    group: str,
    *,
    of_job: str | None = None,
    of_bot: str | None = None,
    of_book: object = None,
    of_settings: Mapping[str, str] | None = None,
) -> str | None:
    """The model for a task of this group, None where nobody has a wish: then the LLM's own default answers.

    In this order: the job's props, the bot, the book's props (`models`, by group), BOOKBOT_LLM_MODELS (by group).
    What a book's props hold may be anything; what is no model's name there counts as no wish.
    """
    for_book = of_book.get(group) if isinstance(of_book, Mapping) else None
    for_all = (of_settings or {}).get(group)
    wishes = (of_job, of_bot, for_book, for_all)
    return next((wish.strip() for wish in wishes if isinstance(wish, str) and wish.strip()), None)
