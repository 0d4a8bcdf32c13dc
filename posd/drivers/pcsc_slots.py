"""What is known of each PC/SC reader's slot, and what is to be done about it: no I/O, time is handed in.

One tap is often several events: the contact flutters, a card shows itself, breaks off and comes back. So a card that
breaks off is tried again and its flaw is told only when it does not come right within `GRACE_NS`; and what breaks off
right after a good card left is that card leaving, and is told to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from smartcard import scard

GRACE_NS = 300_000_000
BOUNCE_NS = 200_000_000
RETRY_MS = 500
"""How often a card is tried again that another program holds for itself, or that broke off and still lies there."""

State = tuple[str, int, list[int]]
"""Reader's name, its SCARD_STATE bits with the event counter in the upper half, ATR."""


class Want(Enum):
    """What a slot waits for."""

    NOTHING = 0
    FIRST_TRY = 1
    ANOTHER_TRY = 2


@dataclass(slots=True)
class Slot:
    """One reader, by its ``name``."""

    name: str
    state: int = scard.SCARD_STATE_UNAWARE
    atr: bytes = b""
    want: Want = Want.NOTHING
    _was_read: bool = False
    _left_ns: int | None = None
    """When a card left that had been read."""
    _is_leaving: bool = False
    """What lies here is the last flutter of a card that had been read."""
    _flaw: str | None = None
    _flaw_due_ns: int = 0
    _told: bool = False

    @property
    def mute(self) -> bool:
        return bool(self.state & scard.SCARD_STATE_MUTE)

    def see(self, state: int, atr: bytes, now_ns: int) -> None:
        """pcscd told this state."""
        before, self.state = self.state, state & ~scard.SCARD_STATE_CHANGED
        was_here, is_here = bool(before & scard.SCARD_STATE_PRESENT), bool(state & scard.SCARD_STATE_PRESENT)
        # Only the event counter in the upper half shows a card that was swapped between two looks.
        stays = was_here and is_here and before >> 16 == state >> 16 and not (before ^ state) & scard.SCARD_STATE_MUTE
        if stays:
            return
        if self._was_read or self._is_leaving:
            self._left_ns = now_ns
        self._was_read = self._told = self._is_leaving = False
        self.atr = atr
        self.want = Want.FIRST_TRY if is_here else Want.NOTHING

    def tried_first(self) -> bool:
        """Is this the first try of the card that lies here?"""
        return self.want is Want.FIRST_TRY

    def was_read(self) -> None:
        """The card said what it had to say."""
        self.want, self._flaw, self._was_read = Want.NOTHING, None, True

    def broke_off(self, flaw: str | None, now_ns: int) -> None:
        """The card did not; it is tried again as long as it lies there. None: nothing is to be told of it."""
        if self.tried_first():
            self._is_leaving = self._left_ns is not None and now_ns - self._left_ns < BOUNCE_NS
        self.want = Want.ANOTHER_TRY
        if flaw is not None and self._flaw is None and not self._told and not self._is_leaving:
            self._flaw, self._flaw_due_ns = flaw, now_ns + GRACE_NS

    def due_flaw(self, now_ns: int) -> str | None:
        """What is to be told now, once."""
        if self._flaw is None or now_ns < self._flaw_due_ns:
            return None
        flaw, self._flaw, self._told = self._flaw, None, True
        return flaw

    def wait_ms(self, now_ns: int) -> int | None:
        """How long nothing has to be done here; None: until something happens."""
        if self.want is Want.FIRST_TRY:
            return 0
        retry = RETRY_MS if self.want is Want.ANOTHER_TRY else None
        if self._flaw is None:
            return retry
        due = max(0, -(-(self._flaw_due_ns - now_ns) // 1_000_000))
        return due if retry is None else min(due, retry)


@dataclass(slots=True)
class Slots:
    """All slots of the readers that are plugged in."""

    _slots: dict[str, Slot] = field(default_factory=dict)
    _told_of_two: bool = False

    def keep(self, names: Iterable[str]) -> list[tuple[str, int]]:
        """These readers are there and no others; as SCardGetStatusChange wants to be asked about them."""
        self._slots = {name: self._slots.get(name) or Slot(name) for name in names}
        return [(slot.name, slot.state) for slot in self._slots.values()]

    def see(self, states: Iterable[State], now_ns: int) -> None:
        for name, state, atr in states:
            if name in self._slots:
                self._slots[name].see(state, bytes(atr), now_ns)

    def are_two_new(self) -> bool:
        """Two cards at once, which is told once and until one is taken away."""
        two, told = len(self._new()) > 1, self._told_of_two
        self._told_of_two = two
        return two and not told

    def to_try(self) -> list[Slot]:
        """Of two new cards none is taken; one that was tried before is no new one."""
        new = self._new()
        again = [slot for slot in self._slots.values() if slot.want is Want.ANOTHER_TRY]
        return (new if len(new) == 1 else []) + again

    def due_flaw(self, now_ns: int) -> str | None:
        return next((flaw for slot in self._slots.values() if (flaw := slot.due_flaw(now_ns))), None)

    def wait_ms(self, now_ns: int) -> int | None:
        held = self._told_of_two
        waits = [slot.wait_ms(now_ns) for slot in self._slots.values() if not (held and slot.want is Want.FIRST_TRY)]
        return min((wait for wait in waits if wait is not None), default=None)

    def _new(self) -> list[Slot]:
        return [slot for slot in self._slots.values() if slot.want is Want.FIRST_TRY]
