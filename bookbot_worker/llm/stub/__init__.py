"""The offline author behind the OpenAI protocol, over real HTTP, with faults on request: `bookbot-worker llm-stub`.

For tests, demos and other programs. It answers on this machine only, and is no language model.
"""

from bookbot_worker.llm.stub.faults import Fault, Rule
from bookbot_worker.llm.stub.server import StubServer
from bookbot_worker.llm.stub.service import Stub

__all__ = ["Fault", "Rule", "Stub", "StubServer"]
