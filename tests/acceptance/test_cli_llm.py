"""What the commands show of language models: the conversation of a job, what it cost, and a fresh retry."""

import json
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from bookbot_worker import BaseJob
from bookbot_worker.cli.main import main
from bookbot_worker.llm.client import Completion, Listener, Prompt
from shared.settings import Settings
from tests.support.http_author import ask
from tests.support.running import enqueue, processor_for, row

pytestmark = [pytest.mark.acceptance, pytest.mark.usefixtures("environment")]


class Asks(BaseJob):
    def execute(self) -> bool:
        return ask(self, "hello\x1b[31m").finish_reason == "stop"


class Author:
    """Answers with what a terminal should not see, for a quarter of a dollar."""

    def complete(self, _prompt: Prompt, _listener: Listener) -> Completion:
        return Completion("red \x1b[31m\nanswer: forged", "host", "model-1", "stop", 10, 20, 0.25, "provider")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def read(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


@pytest.fixture
def job_id(settings: Settings, engine: Engine) -> str:
    """A job that has asked once."""
    job_id = enqueue(engine, Asks)
    processor_for(settings, Asks, llm=Author()).run(until_empty=True)
    assert row(engine, job_id).state == "completed"
    return job_id


def test_the_conversation_of_a_job_is_shown_whole_and_harmless(job_id: str) -> None:
    text = run("jobs", "show", job_id, "--llm")
    assert text.startswith("1. host model-1 · done · attempt 1 · ")
    assert "10 + 20 tokens · 0.2500 USD (provider)" in text
    assert "\x1b" not in text
    assert "\nanswer: forged" not in text
    assert "  user:\n    hello\\u001b[31m" in text
    [call] = read("jobs", "show", job_id, "--llm")
    assert (call["status"], call["cost_usd"], call["is_ignored"]) == ("done", 0.25, False)
    assert call["request"]["messages"][0] == {"role": "system", "content": "Be brief."}


def test_what_a_job_and_everything_cost(job_id: str) -> None:
    assert "0.2500 for 1 calls, 10 + 20 tokens" in run("jobs", "show", job_id)
    assert read("jobs", "show", job_id)["llm"]["cost_usd"] == 0.25
    for by, name in (("day", None), ("job", job_id), ("model", "model-1"), ("source", "provider"), ("book", None)):
        [line] = read("costs", "--by", by)
        assert (line["calls"], line["cost_usd"], line["unpriced"]) == (1, 0.25, 0)
        assert by == "day" or line[by] == name
    assert run("costs").split("\n")[1].endswith("1\t10\t20\t0\t0.2500")


def test_a_retry_replays_and_a_fresh_one_pays_again(job_id: str, settings: Settings) -> None:
    for option, calls in ((), 1), (("--fresh",), 2):
        run("jobs", "retry", job_id, *option)
        processor_for(settings, Asks, llm=Author()).run(until_empty=True)
        assert read("jobs", "show", job_id)["llm"]["calls"] == calls
    assert [call["is_ignored"] for call in read("jobs", "show", job_id, "--llm")] == [True, False]
    assert "done (ignored since a fresh retry)" in run("jobs", "show", job_id, "--llm")
