"""The scripted author: what each kind of answer does to who asked."""

import threading
from contextlib import contextmanager
from typing import Any

import pytest

from bookbot_worker.llm.client import Completion, Listener, Message, Prompt
from bookbot_worker.llm.errors import LLMRetry
from bookbot_worker.outcomes import JobCancelled, Retry
from bookbot_worker.testing import Cut, ScriptedLLM, Slow

pytestmark = pytest.mark.unit

ANYBODY = Listener()


def prompt(text: str = "Say it.") -> Prompt:
    return Prompt((Message("user", text),))


def test_answers_come_in_order_and_prompts_are_remembered() -> None:
    llm = ScriptedLLM("one", "two")
    llm.will_answer("three")
    assert llm.unused == 3
    assert [llm.complete(prompt(str(n)), ANYBODY).text for n in range(3)] == ["one", "two", "three"]
    assert [asked.messages[0].content for asked in llm.prompts] == ["0", "1", "2"]
    assert llm.unused == 0


def test_a_prompt_without_an_answer_is_an_assertion_that_quotes_it() -> None:
    with pytest.raises(AssertionError, match=r"no answer left for the prompt: 'Say it\.'"):
        ScriptedLLM().complete(prompt(), ANYBODY)


def test_a_function_answers_what_the_script_does_not() -> None:
    llm = ScriptedLLM("first", by=lambda asked: asked.messages[0].content.upper())
    assert [llm.complete(prompt("b"), ANYBODY).text for _ in range(3)] == ["first", "B", "B"]


def test_a_function_may_choose_any_kind_of_answer() -> None:
    llm = ScriptedLLM(lambda _asked: Retry("busy"))
    with pytest.raises(Retry, match="busy"):
        llm.complete(prompt(), ANYBODY)


def test_whole_completions_are_given_as_they_are() -> None:
    whole = Completion("text", "p", "m", "length", 1, 2, 0.5, "provider")
    assert ScriptedLLM(whole).complete(prompt(), ANYBODY) is whole


def test_texts_have_tokens_and_the_price_that_was_set() -> None:
    told = ScriptedLLM("two words", cost_usd=0.25).complete(prompt("three words here"), ANYBODY)
    assert (told.input_tokens, told.output_tokens, told.cost_usd, told.cost_source) == (3, 2, 0.25, "provider")
    assert ScriptedLLM("free").complete(prompt(), ANYBODY).cost_source is None


def test_a_cut_answer_is_heard_so_far_and_then_breaks_off() -> None:
    heard: list[str] = []
    with pytest.raises(LLMRetry) as caught:
        ScriptedLLM(Cut("half of\nit")).complete(prompt(), Listener(on_text=heard.append))
    assert heard == ["half of\n", "it"]
    assert caught.value.kind == "cut"
    assert caught.value.partial is not None
    assert caught.value.partial.text == "half of\nit"


def test_a_slow_answer_ends_at_once_when_it_is_not_wanted_any_more() -> None:
    is_asked, closers = threading.Event(), []

    @contextmanager
    def closing(close: Any) -> Any:
        closers.append(close)
        is_asked.set()
        yield

    def check() -> None:
        raise JobCancelled

    failures: list[BaseException] = []

    def ask() -> None:
        try:
            ScriptedLLM(Slow("late", 3600)).complete(prompt(), Listener(check=check, closing=closing))
        except JobCancelled as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert is_asked.wait(10)
    closers[0]()
    thread.join(10)
    assert [type(error) for error in failures] == [JobCancelled]


def test_a_slow_answer_comes() -> None:
    assert ScriptedLLM(Slow("late", 0.01)).complete(prompt(), ANYBODY).text == "late"
