"""A real worker sends its spans to a collector, and ends in time where there is none."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from shared.enqueue import create_job
from tests.support.docs import ROOT
from tests.support.postgres import free_port

pytestmark = pytest.mark.acceptance

WORKER = [sys.executable, "-m", "bookbot_worker", "run", "--until-empty"]


class Collector(ThreadingHTTPServer):
    """Takes what is sent to /v1/traces."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[ExportTraceServiceRequest] = []


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def add_job(engine: Engine) -> None:
    with Session(engine) as session:
        create_job(job_type="demo", props={"steps": 1, "seconds": 0}, session=session)
        session.commit()


def test_spans_reach_the_collector_that_the_environment_names(
    engine: Engine, environment: dict[str, str], collector: Collector
) -> None:
    add_job(engine)
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}", "BOOKBOT_TRACING": "true"}
    subprocess.run(WORKER, cwd=ROOT, env=environment | endpoint, check=True, capture_output=True, timeout=60)
    resources = [spans for request in collector.requests for spans in request.resource_spans]
    names = [span.name for spans in resources for scope in spans.scope_spans for span in scope.spans]
    assert names == ["job demo"]
    services = {item.value.string_value for item in resources[0].resource.attributes if item.key == "service.name"}
    assert services == {"bookbot-worker"}


def test_a_collector_that_is_away_does_not_hold_up_the_end(engine: Engine, environment: dict[str, str]) -> None:
    add_job(engine)
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", "BOOKBOT_TRACING": "true"}
    ran = subprocess.run(WORKER, cwd=ROOT, env=environment | endpoint, check=False, capture_output=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
