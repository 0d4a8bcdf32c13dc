"""The peer's side of `bench.bench_readers`, run in an environment of its own that has barcode-server and nothing of
posd: https://pypi.org/project/barcode-server (AGPL-3.0), the nearest Python daemon for keyboard scanners.

Reads ``{name: [[sec, usec, type, code, value], …]}`` on the first line, then one request per line: ``["rate", name,
reads]`` → reads per second; ``["together", [name, …], reads]`` → texts read, one reader thread per device, all with the
one `KeyEventReader` that its `BarcodeReader` gives to every device.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator

from barcode_server.keyevent_reader import KeyEventReader
from evdev import InputEvent


class Device:
    """All that `KeyEventReader` asks of an evdev.InputDevice. ``pause``: another device may come in between."""

    def __init__(self, events: list[InputEvent], pause: bool = False) -> None:
        self.events, self.pause = events, pause

    def read_loop(self) -> Iterator[InputEvent]:
        for event in self.events:
            if self.pause:
                time.sleep(0)
            yield event


def rate(events: list[InputEvent], reads: int) -> float:
    reader = KeyEventReader()
    device = Device(events)
    began = time.perf_counter()
    for _ in range(reads):
        assert reader.read_line(device)
    return reads / (time.perf_counter() - began)


def together(devices: list[list[InputEvent]], reads: int) -> list[str]:
    reader = KeyEventReader()
    texts: list[str] = []

    def scan(events: list[InputEvent]) -> None:
        texts.extend(reader.read_line(Device(events, pause=True)) for _ in range(reads))

    threads = [threading.Thread(target=scan, args=(events,)) for events in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return texts


def main() -> None:
    told = json.loads(sys.stdin.readline())
    scripts = {name: [InputEvent(*event) for event in events] for name, events in told.items()}
    for line in sys.stdin:
        what, names, reads = json.loads(line)
        answer = rate(scripts[names], reads) if what == "rate" else together([scripts[name] for name in names], reads)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
