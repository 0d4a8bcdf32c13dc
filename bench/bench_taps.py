"""Chips: from the first command to the member's number, beside pyscard's own CardMonitor sending the same commands.

    python -m bench.bench_taps

pcscd looks into the virtual reader every 400 ms; what a real reader tells at once is therefore left out of the first
figures and stands in the second ones.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

from smartcard.CardMonitoring import CardMonitor, CardObserver

from posd.cards.decode import decode
from posd.cards.identity import Identity
from posd.cards.reads import RejectedRead
from posd.cards.rules import CardRules, identify
from posd.drivers.contract import eventually
from posd.drivers.pcsc import PcscConfig, PcscReader
from posd.drivers.simulated_card import ISO_14443_4_ATR, loyalty_card
from posd.errors import ReadCancelled
from posd.machine import SystemClock
from tests.fakes.pcscd import no_card_anywhere, process_pcscd
from tests.fakes.virtual_card import Slot

NUMBER = "9800000000001234"
TAPS = 20
REST_S = 0.5
"""Between two taps: CardMonitor overlooks a card that comes at once."""


class Tap:
    """One card put into a slot and taken out again; notes when it was put in and first asked something."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self.first_ns = 0

    def take(self, arrived: SimpleQueue[int], gone: Callable[[], object]) -> tuple[float, float]:
        """Milliseconds from the first command, and from putting the card in, to what ``arrived`` tells. ``gone``
        returns when the removal was noticed."""
        card = loyalty_card(NUMBER)

        def answer(command: bytes) -> bytes:
            self.first_ns = self.first_ns or time.monotonic_ns()
            return card(command)

        put_in_ns = time.monotonic_ns()
        self._slot.insert(ISO_14443_4_ATR, answer)
        done_ns = arrived.get(timeout=10)
        self._slot.remove()
        gone()
        time.sleep(REST_S)
        return (done_ns - self.first_ns) / 1e6, (done_ns - put_in_ns) / 1e6


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--taps", type=int, default=TAPS)
    arguments, _ = options.parse_known_args()
    slot = Slot(process_pcscd().ports[0])
    posd, commands = measure_posd(slot, arguments.taps)
    peer = measure_pyscard(slot, arguments.taps, commands)
    print(f"{len(commands)} commands a card")
    for name, figures in (("posd: to the member's number", posd), ("pyscard CardMonitor: to the last answer", peer)):
        from_first, whole = zip(*figures, strict=True)
        print(f"{name:<44}{say(from_first)} from the first command, {say(whole)} from putting the card in")


def say(values_ms: tuple[float, ...]) -> str:
    return f"median {statistics.median(values_ms):6.1f} ms"


def measure_posd(slot: Slot, taps: int) -> tuple[list[tuple[float, float]], list[bytes]]:
    clock, rules, arrived = SystemClock(), CardRules(), SimpleQueue[int]()
    reader = PcscReader("bench", PcscConfig(), clock)

    def read_all() -> None:
        while True:
            try:
                card = decode(reader.read(), rules)
            except ReadCancelled:
                return
            assert not isinstance(card, RejectedRead), card
            assert isinstance(identify(card, rules), Identity)
            arrived.put(time.monotonic_ns())

    thread = Thread(target=read_all)
    thread.start()
    figures = [Tap(slot).take(arrived, _until_empty) for _ in range(taps)]
    reader.cancel()
    thread.join()
    reader.close()
    return figures, slot.commands


class Replayer(CardObserver):  # type: ignore[misc]  # pyscard gives no types
    """Sends ``commands`` to each card that CardMonitor announces."""

    def __init__(self, commands: list[bytes], done: Callable[[], None]) -> None:
        self._commands, self._done = commands, done
        self.started = Event()
        self.removed: SimpleQueue[int] = SimpleQueue()

    def update(self, _observable: Any, changes: Any) -> None:
        self.started.set()
        added, removed = changes
        for card in added:
            connection = card.createConnection()
            connection.connect()
            for command in self._commands:
                connection.transmit(list(command))
            self._done()
            connection.disconnect()
        for _ in removed:
            self.removed.put(time.monotonic_ns())


def _until_empty() -> None:
    eventually(no_card_anywhere, "noticing that the card is gone")


def measure_pyscard(slot: Slot, taps: int, commands: list[bytes]) -> list[tuple[float, float]]:
    arrived = SimpleQueue[int]()
    monitor, observer = CardMonitor(), Replayer(commands, lambda: arrived.put(time.monotonic_ns()))
    monitor.addObserver(observer)
    try:
        assert observer.started.wait(5), "CardMonitor does not start"
        return [Tap(slot).take(arrived, lambda: observer.removed.get(timeout=10)) for _ in range(taps)]
    finally:
        monitor.deleteObserver(observer)


if __name__ == "__main__":
    main()
