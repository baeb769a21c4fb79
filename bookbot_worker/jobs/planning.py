"""Asking for an outline, characters or settings until the answer can be used.

Owns the conversation: as JSON where that is wanted, with a few turns to repair what is wrong, and as Markdown where no
JSON comes. Each question follows from the answers before it, so that a job that runs again finds all in the ledger.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bookbot_worker.books import library, template
from bookbot_worker.books.library import Form, PromptName
from bookbot_worker.books.plan_answers import Reading, read_answer, schema_of
from bookbot_worker.jobs.job_llm import JobLLM
from bookbot_worker.jobs.whole_answers import UnfinishedAnswer, ask_once, ask_whole
from bookbot_worker.llm.client import Message, Prompt, Shape

MOST_REPAIRS = 2

_SYSTEM = "You plan novels with an author. You answer in exactly the form that is asked for, and with nothing else."
_MEND = (
    "Your answer cannot be used as it is:\n\n{faults}\n\n"
    "Give the whole answer once more, with that mended, in the form that was asked for and with nothing around it."
)
_CUT_OFF = "it was cut off at the length limit: keep every text shorter"


class UselessAnswers(UnfinishedAnswer):
    """No answer to a question could be used. The text says what was wrong with the last."""

    def __init__(self, kind: PromptName, faults: Sequence[str]) -> None:
        said = "no scenes" if kind == "outline" and "there is no scene" in faults else f"faults: {'; '.join(faults)}"
        advice = "retry with --fresh, make the brief more detailed, or use another model."
        super().__init__(f"The LLM's answer for the {kind} has {said.rstrip('.')}; {advice}")


@dataclass(frozen=True, slots=True)
class Planner:
    """Who is asked, and how. `attempt` is the job's, see `ask_once`; not `is_structured` asks for Markdown at once."""

    llm: JobLLM
    model: str | None
    is_structured: bool
    attempt: int

    def ask(self, kind: PromptName, values: Mapping[str, str], needed: Sequence[str] = ()) -> str:
        """The outline or the sections as Markdown; `needed` are the names that should have a section.

        An answer with small faults is taken when it was not mended in time. Raises UselessAnswers where there is none,
        and what `ask_whole` raises.
        """
        readings: list[Reading] = []
        forms: tuple[Form, ...] = ("json", "markdown") if self.is_structured else ("markdown",)
        for form in forms:
            readings += self._converse(kind, form, values, needed)
            usable = [reading for reading in readings if reading.markdown is not None]
            if usable:
                best = min(usable, key=lambda reading: len(reading.faults))
                if best.faults:
                    self.llm.log(f"the {kind} are used although {'; '.join(best.faults)}", "WARNING")
                return best.markdown or ""
            if form != forms[-1]:
                self.llm.log(f"no usable JSON for the {kind}; asking for Markdown", "WARNING")
        raise UselessAnswers(kind, readings[-1].faults)

    def _converse(
        self, kind: PromptName, form: Form, values: Mapping[str, str], needed: Sequence[str]
    ) -> list[Reading]:
        """What came of the question and its repairs; the last is the first without a fault, if there is one."""
        question = template.render(library.prompt(kind, form), values)
        opening = (Message("system", _SYSTEM), Message("user", question))
        prompt = Prompt(opening, model=self.model, shape=Shape(kind, schema_of(kind)) if form == "json" else None)
        readings: list[Reading] = []
        for turn in range(MOST_REPAIRS + 1):
            text, reading = self._ask_once(kind, prompt, needed)
            readings.append(reading)
            if not reading.faults or turn == MOST_REPAIRS:
                break
            self.llm.log(f"the answer needs mending: {'; '.join(reading.faults)}", "WARNING")
            mend = _MEND.format(faults="\n".join(f"- {fault}" for fault in reading.faults))
            prompt = replace(prompt, messages=(*opening, Message("assistant", text), Message("user", mend)))
        return readings

    def _ask_once(self, kind: PromptName, prompt: Prompt, needed: Sequence[str]) -> tuple[str, Reading]:
        """Markdown that is cut off can be continued; JSON must be given anew."""
        if prompt.shape is None:
            completion = ask_whole(self.llm, prompt, self.attempt)
        else:
            completion = ask_once(self.llm, prompt, self.attempt)
            if completion.finish_reason == "length":
                return completion.text, Reading(None, (_CUT_OFF,))
        return completion.text, read_answer(kind, completion.text, needed)
