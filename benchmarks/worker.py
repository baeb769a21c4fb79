"""A worker in a process of its own, as `bookbot-worker run` is one: says what CPU time its work took.

python -m benchmarks.worker CONCURRENCY      until the queue is empty
"""

import json
import sys
import time

from bookbot_worker.daemon import build_processor, spare_the_collector
from bookbot_worker.telemetry.logging import configure_logging
from shared.settings import load_settings


def main() -> None:
    """Run until nothing is left; the figures are the last line of standard output."""
    settings = load_settings(concurrency=int(sys.argv[1]))
    configure_logging(settings)
    processor = build_processor(settings)
    spare_the_collector()
    cpu = time.process_time()
    processor.run(until_empty=True)
    print(json.dumps({"cpu": time.process_time() - cpu}))


if __name__ == "__main__":
    main()
