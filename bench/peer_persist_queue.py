"""The peer's side of `bench.bench_sync`, run in an environment of its own that has persist-queue and nothing of posd:
https://pypi.org/project/persist-queue (BSD-3), the durable queue of Python with acknowledgements.

Reads ``[directory, messages]`` per line; puts that many durably, takes and acknowledges each; answers messages/s.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time

from persistqueue import SQLiteAckQueue
from persistqueue.serializers import json as as_json

MESSAGE = {"note": "x" * 270}


def rate(directory: str, messages: int) -> float:
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        queue = SQLiteAckQueue(folder, auto_commit=True, serializer=as_json)
        (synchronous,) = queue._conn.execute("pragma synchronous").fetchone()
        assert synchronous == 2, "not as durable as the ledger (FULL)"
        started = time.perf_counter()
        for _ in range(messages):
            queue.put(MESSAGE)
        for _ in range(messages):
            queue.ack(queue.get())
        took = time.perf_counter() - started
        queue.close()
    return messages / took


def main() -> None:
    for line in sys.stdin:
        directory, messages = json.loads(line)
        print(json.dumps(rate(directory, messages)), flush=True)


if __name__ == "__main__":
    main()
