"""The process log: whole events, harmless on a terminal, and no reason for a job to fail."""

import io
import json

import pytest
import structlog

from bookbot_worker.telemetry.logging import configure_logging
from shared.settings import load_settings

pytestmark = pytest.mark.unit

HOSTILE = "\x1b]0;owned\x07\u202ereversed\r\nsecond\x9bline"


@pytest.fixture(autouse=True)
def _as_it_was() -> object:
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_what_a_job_logs_cannot_drive_a_terminal(log_format: str) -> None:
    stream = io.StringIO()
    configure_logging(load_settings(log_format=log_format), stream)
    structlog.get_logger().info("job.log", message=HOSTILE, word="\x1b[31mred")
    written = stream.getvalue()
    assert len(written.splitlines()) == 1
    told = written.replace("\x1b[0m", "").replace("\x1b[1m", "").replace("\x1b[2m", "")
    assert not set(told) & set("\x07\u202e\r\x9b")
    assert "\x1b]" not in told
    assert "\x1b[31mred" not in told
    assert "owned" in told


def test_json_carries_the_text_as_it_is() -> None:
    stream = io.StringIO()
    configure_logging(load_settings(log_format="json"), stream)
    structlog.get_logger().info("job.log", message=HOSTILE)
    assert json.loads(stream.getvalue())["message"] == HOSTILE


class Gone(io.StringIO):
    """A stream whose reader is no longer there."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_a_log_that_nobody_reads_any_more_fails_nothing() -> None:
    configure_logging(load_settings(log_format="json"), Gone())
    structlog.get_logger().error("job.log", message="unheard")
    closed = io.StringIO()
    closed.close()
    configure_logging(load_settings(log_format="json"), closed)
    structlog.get_logger().error("job.log", message="unheard")
