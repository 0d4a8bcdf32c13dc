"""What drivers of byte streams have in common: bytes come, a parser makes reads of them, and silence may end one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from posd.cards.reads import RejectReason, flaw
from posd.clock import Clock
from posd.drivers.waker import Waker
from posd.events import DeviceClass, RawRead

WRONG_CHARACTERS = flaw(
    RejectReason.UNREADABLE, "no text in the set encoding; correct encoding =, and on a serial line baud and parity"
)


class Source(Protocol):
    """An open node."""

    fd: int

    def close(self) -> None:
        """May be called twice."""
        ...


class Part(Protocol):
    """What a parser finds: bytes of one read, or a flaw and none."""

    @property
    def data(self) -> bytes: ...
    @property
    def flaw(self) -> str | None: ...


class Parser(Protocol):
    """Bytes into reads, without a clock of its own."""

    @property
    def deadline_ns(self) -> int | None:
        """When `expire` has to be called; None while nothing is half read."""
        ...

    def feed(self, data: bytes, now_ns: int, /) -> Sequence[Part]: ...
    def expire(self, now_ns: int) -> Sequence[Part]: ...


class StreamDriver:
    """An open device; a driver's own class opens its source and chooses the parser. ``take``: what there is to read,
    called when the source is readable. ``as_text``: raises UnicodeDecodeError for what is no text."""

    def __init__(
        self,
        device: str,
        device_class: DeviceClass,
        clock: Clock,
        source: Source,
        take: Callable[[], bytes],
        parser: Parser,
        as_text: Callable[[bytes], str],
    ) -> None:
        self._device, self._device_class, self._clock = device, device_class, clock
        self._source, self._take, self._parser, self._as_text = source, take, parser, as_text
        self._reads: deque[RawRead] = deque()
        self._waker = Waker()

    def read(self) -> RawRead:
        while not self._reads:
            self._receive()
        return self._reads.popleft()

    def cancel(self) -> None:
        self._waker.wake()

    def close(self) -> None:
        self._source.close()
        self._waker.close()

    def _receive(self) -> None:
        deadline_ns = self._parser.deadline_ns
        left_ns = None if deadline_ns is None else deadline_ns - self._clock.now().mono_ns
        data = self._take() if self._waker.wait([self._source.fd], left_ns) else b""
        now_ns = self._clock.now().mono_ns
        found = self._parser.feed(data, now_ns) if data else self._parser.expire(now_ns)
        self._reads += [self._raw_read(part) for part in found]

    def _raw_read(self, part: Part) -> RawRead:
        payload, spoilt = b"", part.flaw
        if spoilt is None:
            try:
                payload = self._as_text(part.data).encode()
            except UnicodeDecodeError:
                spoilt = WRONG_CHARACTERS
        return RawRead(self._device, self._device_class, payload, self._clock.now(), spoilt)
