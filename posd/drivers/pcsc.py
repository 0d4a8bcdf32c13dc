"""Chip and contactless cards through PC/SC (pcscd).

======================  =====  ============================================================================
UnifiedPOS              here   remark
======================  =====  ============================================================================
SmartCardRW read        yes    the card scripts of `posd.cards.scripts`
SmartCardRW write       never  `posd.drivers.read_only`
CheckHealth             yes    INTERNAL, EXTERNAL, INTERACTIVE
======================  =====  ============================================================================

An own loop on ``smartcard.scard``: pyscard's CardMonitor ends for ever when pcscd restarts. Whatever shows that the
service went away becomes `DeviceLost`; the supervisor begins again with a new context.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass, field
from functools import partial

from smartcard import scard

from posd.cards.card_keys import CardKeys
from posd.cards.chip import encode_chip
from posd.cards.reader_names import name_fits
from posd.cards.reads import RejectReason, flaw
from posd.cards.scripts.conversation import read_card
from posd.cards.scripts.dialogue import run
from posd.cards.scripts.layouts import ChipLayout
from posd.cards.scripts.setup import ChipSetup
from posd.cards.sun import SeenCounters
from posd.cards.wallets import AppleVasConfig, SmartTapConfig, Wallets
from posd.clock import Clock
from posd.drivers.base import Candidate, DriverSpec, Health, HealthLevel
from posd.drivers.checks import checks_by_opening, failed
from posd.drivers.keys_file import read_keys
from posd.drivers.pcsc_service import (
    CARD_GONE,
    CardFault,
    connect,
    establish,
    list_readers,
    reader_names,
    service_lost,
    transmit,
)
from posd.drivers.pcsc_slots import Slot, Slots
from posd.drivers.wallet_keys import open_wallets
from posd.errors import ConfigError, DeviceError, DeviceLost, ReadCancelled
from posd.events import DeviceClass, RawRead
from posd.machine import SystemClock

PNP = "\\\\?PnP?\\Notification"
"""pcscd's pretended reader whose state changes when readers come and go."""

GONE = flaw(RejectReason.REMOVED_EARLY)
TWO_CARDS = flaw(RejectReason.TWO_AT_ONCE, "two readers were given a card at the same time")
MUTE = flaw(RejectReason.UNREADABLE, "the card does not answer; turn it round or clean it")
_MOST_RESETS = 2

_COUNTERS = SeenCounters()
"""Of all readers of this process, also of those that were lost and opened again."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PcscConfig:
    """``[[reader]]`` with ``driver = "pcsc"``. ``address``: the reader's PC/SC name, ``*`` stands for anything (readers
    with two slots are two names). ``card``: the kinds of cards, and where on them the shop keeps what it keeps.
    ``smart_tap``, ``apple_vas``: phones are asked for passes only where these tables are."""

    address: str = "*"
    card: ChipLayout = field(default_factory=ChipLayout)
    smart_tap: SmartTapConfig | None = None
    apple_vas: AppleVasConfig | None = None


class PcscReader:
    """One context, and in it every reader whose name fits."""

    def __init__(self, device: str, config: PcscConfig, clock: Clock) -> None:
        self._device, self._config, self._clock = device, config, clock
        self._keys, self._wallets = _keys_for(config)
        self._context = establish()
        self._slots = Slots()
        self._pnp = scard.SCARD_STATE_UNAWARE
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
            self._wait()
            read = self._next_read()
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
        names = [name for name in list_readers(self._context) if name_fits(name, self._config.address)]
        if not names:
            raise DeviceLost(f"no PC/SC reader is called {self._config.address}; plug the reader in")
        return names

    def _wait(self) -> None:
        """Until something happens in a reader, or with readers, or has to be done."""
        watched = [*self._slots.keep(self._names()), (PNP, self._pnp)]
        timeout_ms = self._slots.wait_ms(self._now_ns())
        self._not_waiting.clear()
        try:
            if self._cancelled.is_set():
                raise ReadCancelled("reading was stopped")
            code, states = scard.SCardGetStatusChange(
                self._context, scard.INFINITE if timeout_ms is None else timeout_ms, watched
            )
        finally:
            self._not_waiting.set()
        if code == scard.SCARD_E_CANCELLED:
            raise ReadCancelled("reading was stopped")
        if code == scard.SCARD_E_UNKNOWN_READER:
            return  # it went between two calls; the next look is without it
        if code not in (scard.SCARD_S_SUCCESS, scard.SCARD_E_TIMEOUT):
            raise service_lost(code)
        *of_readers, (_, pnp, _) = states
        self._pnp = pnp & ~scard.SCARD_STATE_CHANGED
        self._slots.see(of_readers, self._now_ns())

    def _next_read(self) -> RawRead | None:
        if self._slots.are_two_new():
            return self._raw_read(spoilt=TWO_CARDS)
        for slot in self._slots.to_try():
            payload = self._try(slot)
            if payload is not None:
                return self._raw_read(payload)
        due = self._slots.due_flaw(self._now_ns())
        return None if due is None else self._raw_read(spoilt=due)

    def _try(self, slot: Slot) -> bytes | None:
        """What the card in ``slot`` says; None when it says nothing, which the slot then knows."""
        if slot.mute:
            slot.broke_off(MUTE, self._now_ns())
            return None
        try:
            payload = self._converse(slot.name, slot.atr)
        except CardFault as fault:
            self._note(fault, slot)
            return None
        slot.was_read()
        return payload

    def _note(self, fault: CardFault, slot: Slot) -> None:
        if fault.code == scard.SCARD_E_SHARING_VIOLATION:
            if slot.tried_first():
                log.warning("another program holds the card in %s for itself; posd reads it when it lets go", slot.name)
            slot.broke_off(None, self._now_ns())
        else:
            slot.broke_off(GONE if fault.code in CARD_GONE else MUTE, self._now_ns())

    def _converse(self, name: str, atr: bytes) -> bytes:
        unix_seconds = self._clock.now().wall_ms // 1000
        setup = ChipSetup(self._config.card, name, self._keys, os.urandom, _COUNTERS, self._wallets, unix_seconds)
        for _ in range(_MOST_RESETS):
            handle, protocol = connect(self._context, name)
            try:
                return encode_chip(run(read_card(atr, setup), partial(transmit, handle, protocol)))
            except CardFault as fault:
                if fault.code != scard.SCARD_W_RESET_CARD:
                    raise
            finally:
                scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)
        raise CardFault(scard.SCARD_W_UNRESPONSIVE_CARD)

    def _raw_read(self, payload: bytes = b"", spoilt: str | None = None) -> RawRead:
        return RawRead(self._device, DeviceClass.SMARTCARD, payload, self._clock.now(), spoilt)

    def _now_ns(self) -> int:
        return self._clock.now().mono_ns


def _keys_for(config: PcscConfig) -> tuple[CardKeys, Wallets]:
    """Raises `ConfigError`, `DeviceDenied`."""
    layout = config.card
    keys = CardKeys() if layout.keys_file is None else read_keys(layout.keys_file)
    keys.require(layout.needed_keys)
    return keys, open_wallets(config.smart_tap, config.apple_vas)


def _probe() -> list[Candidate]:
    try:
        names = reader_names()
    except DeviceLost:
        return []
    return [Candidate("pcsc", name, name, name, DeviceClass.SMARTCARD) for name in names]


def _present(config: PcscConfig) -> bool:
    """False only when pcscd says so: when it is silent, opening tells why."""
    try:
        return any(name_fits(name, config.address) for name in reader_names())
    except DeviceLost:
        return True


def _check_health(device: str, config: PcscConfig, level: HealthLevel) -> list[Health]:
    try:
        names = reader_names()
    except DeviceLost as error:
        return [failed("service", error)]
    checks = [Health(True, "service", "pcscd answers")]
    fitting = [name for name in names if name_fits(name, config.address)]
    if not fitting:
        there = ", ".join(names) or "none"
        return [*checks, Health(False, "present", f"no reader {config.address!r}; there is: {there}", "plug it in")]
    checks += [Health(True, "present", ", ".join(fitting)), _check_keys(config)]
    return checks_by_opening(level, checks, lambda: PcscReader(device, config, SystemClock()))


def _check_keys(config: PcscConfig) -> Health:
    files = [config.card.keys_file or ""] if config.card.needed_keys else []
    files += [wallet.key_file for wallet in (config.smart_tap, config.apple_vas) if wallet is not None]
    try:
        _keys_for(config)
    except (ConfigError, DeviceError) as error:
        return failed("keys", error)
    return Health(True, "keys", f"closed to others: {', '.join(files)}" if files else "none needed")


SPEC = DriverSpec(
    name="pcsc",
    device_class=DeviceClass.SMARTCARD,
    config_type=PcscConfig,
    probe=_probe,
    open=PcscReader,
    check_health=_check_health,
    present=_present,
)
