"""Asking until the answer is whole: one that the model's length limit cut off is continued, turn by turn.

Each turn is a call of its own in the ledger, and its request follows from the answers before it, so that a job that
runs again finds all of them there.
"""

from collections.abc import Callable
from dataclasses import replace

from bookbot_worker.books.continuing import GO_ON, joined, whole_sentences
from bookbot_worker.jobs.job_llm import JobLLM
from bookbot_worker.llm.client import Completion, Message, Prompt
from bookbot_worker.outcomes import Retry
from shared.errors import BookbotError

MOST_CONTINUATIONS = 2


class UnfinishedAnswer(BookbotError):
    """The answer is not whole, and must not stand in a book. The text says why and what to do."""


def ask_whole(llm: JobLLM, prompt: Prompt, attempt: int, on_text: Callable[[str], None] | None = None) -> Completion:
    """The whole answer to `prompt`; its counts are those of the last turn.

    Raises UnfinishedAnswer where it is still cut off after two continuations, and what `ask_once` raises.
    """
    completion = ask_once(llm, prompt, attempt, on_text)
    text = completion.text
    for _ in range(MOST_CONTINUATIONS):
        if completion.finish_reason != "length":
            break
        text = whole_sentences(text)
        llm.log("the answer was cut off at the length limit; asking for the rest", "WARNING")
        turns = (Message("assistant", text.rstrip()), Message("user", GO_ON))
        completion = _complete(llm, replace(prompt, messages=(*prompt.messages, *turns)), on_text)
        text = joined(text, completion.text)
    if completion.finish_reason == "length":
        raise UnfinishedAnswer(
            f"The answer of {completion.model} was cut off at its length limit after {len(text.split())} words, and "
            "nothing was changed. Ask for fewer words, or use a model with longer answers."
        )
    return replace(completion, text=text)


def ask_once(llm: JobLLM, prompt: Prompt, attempt: int, on_text: Callable[[str], None] | None = None) -> Completion:
    """The answer to `prompt`, which may be cut off. Raises UnfinishedAnswer where a filter held it back.

    Raises Retry where it is empty. `attempt` is the job's: the ledger gives back the empty answers of those before, and
    one more question is asked in each.
    """
    for _ in range(max(1, attempt)):
        completion = _complete(llm, prompt, on_text)
        if completion.text.strip():
            return completion
    raise Retry(f"{completion.model} answered with nothing")


def _complete(llm: JobLLM, prompt: Prompt, on_text: Callable[[str], None] | None) -> Completion:
    completion = llm.complete(prompt, on_text)
    if completion.finish_reason == "content_filter":
        raise UnfinishedAnswer(
            f"The content filter of {completion.model} held back the answer, and nothing was changed. Reword what "
            "is asked for, or use another model."
        )
    return completion
