"""Keyboard wedges: what decoding costs beside the nearest peer, and two readers at once.

    umockdev-wrapper python -m bench.bench_readers

The peer of the same run is barcode-server (in ``.venv/peer``, which ``make bench`` makes).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Barrier, Thread

from evdev import InputEvent, ecodes

from bench.rounds import show, take_turns
from posd.cards.decode import decode
from posd.cards.keymap import strokes
from posd.cards.reads import RejectedRead
from posd.cards.rules import CardRules, identify
from posd.cards.wedge import WedgeAssembler, WedgeRead
from posd.clock import Clock
from posd.drivers.hid_keyboard import HidKeyboard, HidKeyboardConfig
from posd.events import DeviceClass, RawRead
from posd.machine import SystemClock
from tests.fakes.input_devices import InputBench, Wedge, node

PEER = Path(__file__).resolve().parent.parent / ".venv/peer/bin/python"
EAN, SWIPE = "4006381333931\n", "%B9800000000001234^A/B^2512000000000000?;9800000000001234=25120000000000?\n"
READS = 300
ROUNDS = 7
TOGETHER = 10_000
SILENCE_NS = 2_000_000_000
EV_KEY: int = ecodes.EV_KEY


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--together", type=int, default=TOGETHER)
    arguments, _ = options.parse_known_args()
    with peer() as ask:
        show_decoding(ask)
        show_together_peer(ask)
    show_together(arguments.together)


class Peer:
    """barcode-server in its own interpreter."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, what: str, names: object, reads: int) -> object:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([what, names, reads]), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def rate(self, name: str) -> float:
        answer = self.ask("rate", name, READS)
        assert isinstance(answer, float)
        return answer


@contextmanager
def peer() -> Iterator[Peer]:
    script = Path(__file__).with_name("peer_barcode_server.py")
    assert PEER.exists(), "the peer is not installed; run: make bench"
    with subprocess.Popen([PEER, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        scripts = {"ean": EAN, "swipe": SWIPE, "first": "5000060318112\n", "second": "3633379932127\n"}
        events = {name: [_plain(event) for event in evdev_events(text)] for name, text in scripts.items()}
        print(json.dumps(events), file=process.stdin, flush=True)
        yield Peer(process)
        process.stdin.close()


def _plain(event: InputEvent) -> list[int]:
    return [event.sec, event.usec, event.type, event.code, event.value]


def evdev_events(text: str) -> list[InputEvent]:
    """What a reader that types ``text`` gives: scan code, key and SYN for each press and release, 1 ms apart."""
    events = []
    for number, (code, value) in enumerate(strokes(text)):
        sec, usec = divmod(number * 1000, 1_000_000)
        events += [
            InputEvent(sec, usec, ecodes.EV_MSC, ecodes.MSC_SCAN, 0x70000 + code),
            InputEvent(sec, usec, ecodes.EV_KEY, code, value),
            InputEvent(sec, usec, ecodes.EV_SYN, ecodes.SYN_REPORT, 0),
        ]
    return events


def show_decoding(baseline: Peer) -> None:
    for name, text, title in (("ean", EAN, "an EAN-13"), ("swipe", SWIPE, "a swipe of two tracks")):
        events = evdev_events(text)
        cases = {
            "barcode-server: events to text": lambda name=name: baseline.rate(name),
            "posd: events to text": lambda events=events: _rate(events, identified=False),
            "posd: events to the member's number": lambda events=events: _rate(events, identified=True),
        }
        show(f"decoding {title} (aim: twice the peer's rate)", take_turns(cases, ROUNDS), next(iter(cases)))


def _rate(events: list[InputEvent], *, identified: bool) -> float:
    """Reads per second of what stands between the device node and the till."""
    assembler, rules, now = WedgeAssembler(), CardRules(), SystemClock().now()
    began = time.perf_counter()
    for number in range(READS):
        shift_ns = number * SILENCE_NS
        reads: list[WedgeRead] = []
        for event in events:
            if event.type == EV_KEY:
                time_ns = event.sec * 1_000_000_000 + event.usec * 1000 + shift_ns
                reads += assembler.feed(event.code, event.value, time_ns)
        reads += assembler.expire(shift_ns + SILENCE_NS - 1)
        (read,) = reads
        if identified:
            card = decode(RawRead("wedge", DeviceClass.SCANNER, read.text.encode(), now), rules)
            assert isinstance(card, RejectedRead) or identify(card, rules)
    return READS / (time.perf_counter() - began)


def show_together_peer(baseline: Peer) -> None:
    texts = baseline.ask("together", ["first", "second"], 500)
    assert isinstance(texts, list)
    print(f"\ntwo readers at once, barcode-server: {_mixed(texts)} mixed of {len(texts)}")


def _mixed(texts: list[str]) -> int:
    counts = Counter(texts)
    return len(texts) - counts["5000060318112"] - counts["3633379932127"]


def show_together(scans: int) -> None:
    """Two wedges typing at the same time, each read by its own driver on its own thread."""
    each, clock = scans // 2, SystemClock()
    found: SimpleQueue[tuple[int, str]] = SimpleQueue()
    with InputBench(Wedge(3), Wedge(4)) as devices:
        both_open = Barrier(3)
        for number in (3, 4):
            devices.plug(number)
            Thread(target=_read_all, args=(number, each, clock, found, both_open), daemon=True).start()
        both_open.wait(10)
        time.sleep(0.1)  # what comes right after opening is not read
        for first in range(0, each, 25):
            for number in (3, 4):
                texts = (f"{number}00006{scan:07}\n" for scan in range(first, min(first + 25, each)))
                devices.type(number, "".join(texts), gap_us=0)
            for number in (3, 4):
                devices.settle(number)
        got = [found.get(timeout=30) for _ in range(2 * each)]
    mixed = sum(not text.startswith(f"{number}00006") or len(text) != 13 for number, text in got)
    print(f"two readers at once, posd: {mixed} mixed of {len(got)}, {len(set(got))} different ones")


def _read_all(number: int, scans: int, clock: Clock, found: SimpleQueue[tuple[int, str]], both_open: Barrier) -> None:
    device = HidKeyboard(str(number), HidKeyboardConfig(address=node(number)), clock)
    both_open.wait(10)
    for _ in range(scans):
        found.put((number, device.read().payload.decode()))
    device.close()


if __name__ == "__main__":
    main()
