"""A job that waits for a server which may never say a word, and hangs up when it is asked to stop."""

import http.client
import json
import socket
from contextlib import closing
from urllib.parse import urlsplit

from bookbot_worker import BaseJob
from tests.faults.good_jobs import begin, write_effects


class StreamsWithClosing(BaseJob):
    """Like `StreamsLlm`, but does not look at its stop token: its socket is shut down from outside."""

    def execute(self) -> bool:
        begin(self)
        address = urlsplit(self.job.props["llm"]).netloc
        asked = json.dumps({"job_id": self.job.job_id, "attempt": self.job.attempt})
        with self.parked(), closing(http.client.HTTPConnection(address, timeout=60)) as connection:
            connection.connect()
            pipe = connection.sock  # the answer takes it away from the connection
            with self.closing_on_stop(lambda: pipe.shutdown(socket.SHUT_RDWR)):
                connection.request("POST", "/", asked)
                connection.getresponse().read()
        return write_effects(self)
