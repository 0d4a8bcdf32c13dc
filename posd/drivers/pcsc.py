"""Chip and contactless cards through PC/SC (pcscd).

======================  =====  ============================================================================
UnifiedPOS              here   remark
======================  =====  ============================================================================
SmartCardRW read        yes    the card script of `posd.cards.scripts`
SmartCardRW write       never  `posd.drivers.read_only`
CheckHealth             yes    INTERNAL, EXTERNAL, INTERACTIVE
======================  =====  ============================================================================

An own loop on ``smartcard.scard``: pyscard's CardMonitor ends for ever when pcscd restarts. Whatever shows that the
service went away becomes `DeviceLost`; the supervisor begins again with a new context.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial

from smartcard import scard

from posd.cards.chip import encode_chip
from posd.cards.reads import RejectReason, flaw
from posd.cards.scripts.conversation import read_card
from posd.cards.scripts.dialogue import run
from posd.cards.scripts.layouts import ChipLayout
from posd.cards.scripts.setup import ChipSetup
from posd.clock import Clock
from posd.drivers.base import Candidate, DriverSpec, Health, HealthLevel
from posd.drivers.checks import checks_by_opening, failed
from posd.drivers.read_only import read_only
from posd.errors import DeviceError, DeviceLost, ReadCancelled
from posd.events import DeviceClass, RawRead
from posd.machine import SystemClock

PNP = "\\\\?PnP?\\Notification"
"""pcscd's pretended reader whose state changes when readers come and go."""

RETRY_MS = 500
"""How often a card is tried again that another program holds for itself, or that broke off and still lies there."""

NO_SERVICE = "pcscd does not answer; sudo systemctl enable --now pcscd.socket"
NO_ACCESS = "pcscd refuses access; if that stays, allow posd's user org.debian.pcsc-lite.access_pcsc in polkit"
GONE = flaw(RejectReason.REMOVED_EARLY)
TWO_CARDS = flaw(RejectReason.TWO_AT_ONCE, "two readers were given a card at the same time")
MUTE = flaw(RejectReason.UNREADABLE, "the card does not answer; turn it round or clean it")

_CARD_GONE = {
    scard.SCARD_W_REMOVED_CARD,
    scard.SCARD_E_NO_SMARTCARD,
    scard.SCARD_E_NOT_TRANSACTED,
}
_CARD_MUTE = {
    scard.SCARD_W_UNPOWERED_CARD,
    scard.SCARD_W_UNRESPONSIVE_CARD,
    scard.SCARD_W_UNSUPPORTED_CARD,
    scard.SCARD_E_PROTO_MISMATCH,
}
_PROTOCOLS = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
_FLAGS = scard.SCARD_STATE_CHANGED
_MOST_RESETS = 2

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PcscConfig:
    """``[[reader]]`` with ``driver = "pcsc"``. ``address``: the reader's PC/SC name, ``*`` stands for anything (readers
    with two slots are two names). ``card``: where the loyalty file is, when it is not posd's own layout."""

    address: str = "*"
    card: ChipLayout = field(default_factory=ChipLayout)


class _CardFault(Exception):
    """A PC/SC answer about the card, not about the service."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class PcscReader:
    """One context, and in it every reader whose name fits."""

    def __init__(self, device: str, config: PcscConfig, clock: Clock) -> None:
        self._device, self._config, self._clock = device, config, clock
        self._context = _establish()
        self._seen: dict[str, int] = {}
        self._to_retry: set[str] = set()
        self._told: set[str] = set()
        self._cancelled = threading.Event()
        self._not_waiting = threading.Event()
        self._not_waiting.set()
        self._open = True
        try:
            self._names()
        except DeviceError:
            self.close()
            raise

    def read(self) -> RawRead:
        while True:
            presented = self._presented()
            if len(presented) > 1:
                return self._raw_read(spoilt=TWO_CARDS)
            for name, state, atr in presented:
                read = self._take(name, state, atr)
                if read is not None:
                    return read

    def cancel(self) -> None:
        self._cancelled.set()
        # SCardCancel ends a wait that has begun and is forgotten when it comes a moment earlier, so it is repeated.
        while not self._not_waiting.wait(0.002):
            scard.SCardCancel(self._context)

    def close(self) -> None:
        if self._open:
            self._open = False
            scard.SCardReleaseContext(self._context)

    def _names(self) -> list[str]:
        names = [name for name in _list_readers(self._context) if fnmatchcase(name, self._config.address)]
        if not names:
            raise DeviceLost(f"no PC/SC reader is called {self._config.address}; plug the reader in")
        return names

    def _presented(self) -> list[tuple[str, int, bytes]]:
        """Wait for a change. Readers in which a card lies now that was not there before: name, state, ATR."""
        presented = []
        for name, state, atr in self._changes([*self._names(), PNP]):
            before, self._seen[name] = self._seen.get(name, scard.SCARD_STATE_UNAWARE), state & ~_FLAGS
            # Only the event counter in the upper half shows a card that was swapped between two looks.
            other_card = not before & scard.SCARD_STATE_PRESENT or before >> 16 != state >> 16
            present = bool(state & scard.SCARD_STATE_PRESENT)
            if present and (other_card or name in self._to_retry):
                presented.append((name, state, bytes(atr)))
            if other_card or not present:
                self._to_retry.discard(name)
                self._told.discard(name)
        return presented

    def _changes(self, names: list[str]) -> list[tuple[str, int, list[int]]]:
        watched = [(name, self._seen.get(name, scard.SCARD_STATE_UNAWARE)) for name in names]
        timeout_ms = RETRY_MS if self._to_retry else scard.INFINITE
        self._not_waiting.clear()
        try:
            if self._cancelled.is_set():
                raise ReadCancelled("reading was stopped")
            code, states = scard.SCardGetStatusChange(self._context, timeout_ms, watched)
        finally:
            self._not_waiting.set()
        if code == scard.SCARD_E_CANCELLED:
            raise ReadCancelled("reading was stopped")
        if code not in (scard.SCARD_S_SUCCESS, scard.SCARD_E_TIMEOUT, scard.SCARD_E_UNKNOWN_READER):
            raise _service_lost(code)
        return list(states)

    def _take(self, name: str, state: int, atr: bytes) -> RawRead | None:
        """Read the card in ``name``; None when there is nothing new to say and it will be tried again."""
        if state & scard.SCARD_STATE_MUTE:
            return self._raw_read(spoilt=MUTE)
        try:
            payload = self._converse(name, atr)
        except _CardFault as fault:
            return self._try_again_after(fault, name)
        self._to_retry.discard(name)
        return self._raw_read(payload)

    def _try_again_after(self, fault: _CardFault, name: str) -> RawRead | None:
        """A card that broke off may still lie there; then its second try must not need a second tap."""
        told = name in self._told
        self._to_retry.add(name)
        self._told.add(name)
        if fault.code != scard.SCARD_E_SHARING_VIOLATION:
            return None if told else self._raw_read(spoilt=GONE if fault.code in _CARD_GONE else MUTE)
        if not told:
            log.warning("another program holds the card in %s for itself; posd reads it when it lets go", name)
        return None

    def _converse(self, name: str, atr: bytes) -> bytes:
        setup = ChipSetup(self._config.card, name)
        for _ in range(_MOST_RESETS):
            handle, protocol = self._connect(name)
            try:
                return encode_chip(run(read_card(atr, setup), partial(_transmit, handle, protocol)))
            except _CardFault as fault:
                if fault.code != scard.SCARD_W_RESET_CARD:
                    raise
            finally:
                scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)
        raise _CardFault(scard.SCARD_W_UNRESPONSIVE_CARD)

    def _connect(self, name: str) -> tuple[int, int]:
        """For ourselves if possible, so that nobody selects another file in between; shared with others if not."""
        code, handle, protocol = 0, 0, 0
        for mode in (scard.SCARD_SHARE_EXCLUSIVE, scard.SCARD_SHARE_SHARED):
            code, handle, protocol = scard.SCardConnect(self._context, name, mode, _PROTOCOLS)
            if code == scard.SCARD_S_SUCCESS:
                return handle, protocol
            if code != scard.SCARD_E_SHARING_VIOLATION:
                break
        raise _fault(code)

    def _raw_read(self, payload: bytes = b"", spoilt: str | None = None) -> RawRead:
        return RawRead(self._device, DeviceClass.SMARTCARD, payload, self._clock.now(), spoilt)


def _establish() -> int:
    code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    if code != scard.SCARD_S_SUCCESS:
        raise _service_lost(code)
    return int(context)


def _list_readers(context: int) -> list[str]:
    code, names = scard.SCardListReaders(context, [])
    if code == scard.SCARD_E_NO_READERS_AVAILABLE:
        return []
    if code != scard.SCARD_S_SUCCESS:
        raise _service_lost(code)
    return list(names)


def _transmit(handle: int, protocol: int, command: bytes) -> bytes:
    header = scard.SCARD_PCI_T0 if protocol == scard.SCARD_PROTOCOL_T0 else scard.SCARD_PCI_T1
    code, answer = scard.SCardTransmit(handle, header, list(read_only(command)))
    if code != scard.SCARD_S_SUCCESS:
        raise _fault(code)
    if len(answer) < 2:  # less than a status word: some readers say so when the card went
        raise _CardFault(scard.SCARD_E_NOT_TRANSACTED)
    return bytes(answer)


def _fault(code: int) -> Exception:
    """What went wrong with the card; when it is not about the card, the service is lost."""
    about_card = _CARD_GONE | _CARD_MUTE | {scard.SCARD_E_SHARING_VIOLATION, scard.SCARD_W_RESET_CARD}
    return _CardFault(code) if code in about_card else _service_lost(code)


def _service_lost(code: int) -> DeviceLost:
    """A dying pcscd answers COMM_ERROR, SECURITY_VIOLATION, INVALID_HANDLE or NO_SERVICE, as it happens."""
    if code in (scard.SCARD_W_SECURITY_VIOLATION, scard.SCARD_E_NO_ACCESS):
        return DeviceLost(NO_ACCESS)
    if code in (scard.SCARD_E_NO_SERVICE, scard.SCARD_E_SERVICE_STOPPED):
        return DeviceLost(NO_SERVICE)
    return DeviceLost(f"the connection to pcscd broke ({code & 0xFFFFFFFF:08X}); it is made again by itself")


def _reader_names() -> list[str]:
    context = _establish()
    try:
        return _list_readers(context)
    finally:
        scard.SCardReleaseContext(context)


def _probe() -> list[Candidate]:
    try:
        names = _reader_names()
    except DeviceLost:
        return []
    return [Candidate("pcsc", name, name, name, DeviceClass.SMARTCARD) for name in names]


def _present(config: PcscConfig) -> bool:
    """False only when pcscd says so: when it is silent, opening tells why."""
    try:
        return any(fnmatchcase(name, config.address) for name in _reader_names())
    except DeviceLost:
        return True


def _check_health(device: str, config: PcscConfig, level: HealthLevel) -> list[Health]:
    try:
        names = _reader_names()
    except DeviceLost as error:
        return [failed("service", error)]
    checks = [Health(True, "service", "pcscd answers")]
    fitting = [name for name in names if fnmatchcase(name, config.address)]
    if not fitting:
        there = ", ".join(names) or "none"
        return [*checks, Health(False, "present", f"no reader {config.address!r}; there is: {there}", "plug it in")]
    checks.append(Health(True, "present", ", ".join(fitting)))
    return checks_by_opening(level, checks, lambda: PcscReader(device, config, SystemClock()))


SPEC = DriverSpec(
    name="pcsc",
    device_class=DeviceClass.SMARTCARD,
    config_type=PcscConfig,
    probe=_probe,
    open=PcscReader,
    check_health=_check_health,
    present=_present,
)
