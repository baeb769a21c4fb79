"""What the tests of the pages share: a web process that can be restarted, a browser, and a judge of accessibility."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from shared.settings import Settings
from tests.support.docs import ROOT
from tests.support.processes import kill_group, spawn
from tests.support.running import eventually
from tests.support.serving import answers, free_port

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = ROOT / "tests" / "browser" / "vendor" / "axe-4.14.1.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_IN_ANIMATION = "() => document.getAnimations().every((animation) => animation.playState !== 'running')"


def chromium() -> str:
    """The path of Debian's browser. TEST_BROWSER=required makes its absence a failure."""
    if found := shutil.which("chromium"):
        return found
    if os.environ.get("TEST_BROWSER") == "required":
        pytest.fail("TEST_BROWSER=required, and chromium is not installed")
    pytest.skip("chromium is not installed: Debian's chromium (TEST_BROWSER=required makes this a failure)")


class Web:
    """A `bookbot-web` on a port of its own; it keeps the port when it is started again."""

    def __init__(self, settings: Settings, log: Path, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        url = settings.database_url.get_secret_value()
        self._environment = {**os.environ, "DATABASE_URL": url, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "bookbot_web", "--port", str(self.port)]
        with self._log.open("ab") as target:
            process = spawn(command, env=self._environment, cwd=ROOT, stdout=target, stderr=target)
        self._process = process

        def is_up() -> bool:
            assert process.poll() is None, f"bookbot-web ended ({process.returncode}):\n{self.tail()}"
            return answers(f"{self.url}/api/health")

        eventually(is_up, 30)

    def stop(self) -> None:
        """SIGTERM, and wait until it has ended."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=20)
            self.close()

    def close(self) -> None:
        """End it, whatever it does."""
        if self._process is not None:
            kill_group(self._process)
            self._process = None

    def tail(self) -> str:
        """The end of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-40:])


def accessibility_faults(page: Page) -> list[str]:
    """What axe finds on the page as it is now, a line for each element."""
    page.wait_for_function(_IN_ANIMATION)
    if not page.evaluate("() => typeof axe === 'object'"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate("(tags) => axe.run(document, { runOnly: tags })", RULES)
    return [
        f"{fault['id']}: {fault['help']} · {node['html'][:200]} · {node.get('failureSummary', '')}"
        for fault in found["violations"]
        for node in fault["nodes"]
    ]
