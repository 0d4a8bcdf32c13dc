"""What every card in memory does: it reports and writes down what it is asked, and answers."""

from __future__ import annotations

from abc import ABC, abstractmethod

from tests.fakes.apdu_watch import WATCHER

OK, NOT_FOUND, UNKNOWN, FAILED = b"\x90\x00", b"\x6a\x82", b"\x6d\x00", b"\x63\x00"


class WatchedCard(ABC):
    """``asked``: every command, for the test to look at."""

    atr: bytes

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def __call__(self, command: bytes) -> bytes:
        WATCHER.saw(command)
        self.asked.append(command)
        return self.answer(command)

    @abstractmethod
    def answer(self, command: bytes) -> bytes:
        """The answer with its status word."""
