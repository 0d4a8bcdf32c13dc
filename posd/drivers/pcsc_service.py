"""pcscd, as far as posd asks it: plain functions over ``smartcard.scard`` whose result codes are our errors. A code
about the card is a `CardFault`; whatever else goes wrong means that the service is lost and everything begins anew.
"""

from __future__ import annotations

from smartcard import scard

from posd.drivers.read_only import read_only
from posd.errors import DeviceLost

NO_SERVICE = "pcscd does not answer; sudo systemctl enable --now pcscd.socket"
NO_ACCESS = "pcscd refuses access; if that stays, allow posd's user org.debian.pcsc-lite.access_pcsc in polkit"

CARD_GONE = {
    scard.SCARD_W_REMOVED_CARD,
    scard.SCARD_E_NO_SMARTCARD,
    scard.SCARD_E_NOT_TRANSACTED,
    # The reader was unplugged; the others go on.
    scard.SCARD_E_READER_UNAVAILABLE,
    scard.SCARD_E_UNKNOWN_READER,
}
_CARD_MUTE = {
    scard.SCARD_W_UNPOWERED_CARD,
    scard.SCARD_W_UNRESPONSIVE_CARD,
    scard.SCARD_W_UNSUPPORTED_CARD,
    scard.SCARD_E_PROTO_MISMATCH,
}
_ABOUT_CARD = CARD_GONE | _CARD_MUTE | {scard.SCARD_E_SHARING_VIOLATION, scard.SCARD_W_RESET_CARD}
_PROTOCOLS = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1


class CardFault(Exception):
    """A PC/SC answer about the card, not about the service."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def establish() -> int:
    """A new context. Raises `DeviceLost`."""
    code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    if code != scard.SCARD_S_SUCCESS:
        raise service_lost(code)
    return int(context)


def list_readers(context: int) -> list[str]:
    """Names of all readers. Raises `DeviceLost`."""
    code, names = scard.SCardListReaders(context, [])
    if code == scard.SCARD_E_NO_READERS_AVAILABLE:
        return []
    if code != scard.SCARD_S_SUCCESS:
        raise service_lost(code)
    return list(names)


def reader_names() -> list[str]:
    """`list_readers` in a context of its own."""
    context = establish()
    try:
        return list_readers(context)
    finally:
        scard.SCardReleaseContext(context)


def connect(context: int, reader: str) -> tuple[int, int]:
    """Handle and protocol. For ourselves if possible, so that nobody selects another file in between; shared with
    others if not. Raises `CardFault`, `DeviceLost`."""
    code, handle, protocol = 0, 0, 0
    for mode in (scard.SCARD_SHARE_EXCLUSIVE, scard.SCARD_SHARE_SHARED):
        code, handle, protocol = scard.SCardConnect(context, reader, mode, _PROTOCOLS)
        if code == scard.SCARD_S_SUCCESS:
            return handle, protocol
        if code != scard.SCARD_E_SHARING_VIOLATION:
            break
    raise _fault(code)


def transmit(handle: int, protocol: int, command: bytes) -> bytes:
    """The card's answer, status word included. Raises `CardFault`, `DeviceLost`; `ProtocolFault` for a command that
    does not only read."""
    header = scard.SCARD_PCI_T0 if protocol == scard.SCARD_PROTOCOL_T0 else scard.SCARD_PCI_T1
    code, answer = scard.SCardTransmit(handle, header, list(read_only(command)))
    if code != scard.SCARD_S_SUCCESS:
        raise _fault(code)
    if len(answer) < 2:  # less than a status word: some readers say so when the card went
        raise CardFault(scard.SCARD_E_NOT_TRANSACTED)
    return bytes(answer)


def service_lost(code: int) -> DeviceLost:
    """A dying pcscd answers COMM_ERROR, SECURITY_VIOLATION, INVALID_HANDLE or NO_SERVICE, as it happens."""
    if code in (scard.SCARD_W_SECURITY_VIOLATION, scard.SCARD_E_NO_ACCESS):
        return DeviceLost(NO_ACCESS)
    if code in (scard.SCARD_E_NO_SERVICE, scard.SCARD_E_SERVICE_STOPPED):
        return DeviceLost(NO_SERVICE)
    return DeviceLost(f"the connection to pcscd broke ({code & 0xFFFFFFFF:08X}); it is made again by itself")


def _fault(code: int) -> Exception:
    return CardFault(code) if code in _ABOUT_CARD else service_lost(code)
