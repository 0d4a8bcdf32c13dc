"""Errors by who must act. Each message says what to do next; expected refusals are values, not exceptions."""

from __future__ import annotations


class PosdError(Exception):
    """Root of all errors that posd raises on purpose. ``exit_code`` is the sysexits code of a command that ends so."""

    exit_code = 70


class ConfigError(PosdError):
    """The owner or technician must change a file or an option."""

    exit_code = 78


class DeviceError(PosdError):
    """A reader, its cable, its permission or its service needs attention."""

    exit_code = 69


class DeviceLost(DeviceError):
    """The device was there and is gone. The supervisor waits for it to come back."""


class DeviceBusy(DeviceError):
    """Another program holds the device."""


class DeviceDenied(DeviceError):
    """The operating system refuses access; the message names the rule file that would allow it."""

    exit_code = 77


class ProtocolFault(DeviceError):
    """The device answered something that its protocol does not allow."""


class ReadCancelled(DeviceError):
    """`cancel()` ended a blocked read; only the supervisor sees it."""


class CardError(PosdError):
    """A card, not a device, is at fault."""

    exit_code = 65


class LedgerError(PosdError):
    """Nothing is promised to the cashier until the ledger is well again."""

    exit_code = 74


class LedgerUnwritable(LedgerError):
    """Disk full, read-only or failing."""


class LedgerInUse(LedgerError):
    """Another process holds the ledger's lock."""


class LedgerBroken(LedgerError):
    """An invariant does not hold; the message names the first broken entry."""


class SyncError(PosdError):
    """The club could not be reached or did not accept."""

    exit_code = 75
