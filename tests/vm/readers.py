"""The readers that are plugged into the virtual till: their USB ids, report descriptors and what they send."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from tests.vm.usb_device import (
    BULK_ENDPOINT,
    CDC_CLASS,
    CDC_DATA_CLASS,
    HID_CLASS,
    INTERRUPT_ENDPOINT,
    Interface,
    Model,
)

_PLAIN = "abcdefghijklmnopqrstuvwxyz1234567890\n\x1b\b\t -=[]\\\0;'`,./"
_SHIFTED = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ!@#$%^&*()\0\0\0\0\0_+{}|\0:"~<>?'
_FIRST_USAGE = 4

# Boot keyboard (HID 1.11, appendix B): modifiers, a reserved byte, six keys.
_KEYBOARD_REPORT = bytes.fromhex(
    "0501 0906 a101 0507 19e0 29e7 1500 2501 7501 9508 8102 9501 7508 8101 9506 7508 1500 26ff00 0507 1900 29ff 8100 c0"
)
# MagTek USB HID swipe reader (99875206): a vendor page, one report of 337 bytes without an id.
_MAGTEK_REPORT = bytes.fromhex(
    "0600ff 0901 a101 1500 26ff00 7508 0920 0921 0922 0928 0929 092a 0938 9507 8102"
    "0930 956e 8102 0931 956e 8102 0932 956e 8102 0920 9518 b102 c0"
)
# HID Point of Sale scanner (usage page 8C): report 2 = length, AIM id (3), data (56), status.
_POS_REPORT = bytes.fromhex(
    "058c 0902 a101 8502 1500 26ff00 7508 9501 0902 8102 9503 093b 8102 9538 09fe 8102 9501 09fb 8102 c0"
)


def _types(text: str) -> Iterable[bytes]:
    """Key down, key up: two reports for each character (US layout)."""
    for character in text:
        shift = character not in _PLAIN
        usage = _FIRST_USAGE + (_SHIFTED if shift else _PLAIN).index(character)
        yield bytes((2 * shift, 0, usage, 0, 0, 0, 0, 0))
        yield bytes(8)


def _magtek(text: str) -> Iterable[bytes]:
    """Three decode states, three lengths, encode type, three tracks of 110 bytes. ``text`` is track 2."""
    track = text.encode()
    yield bytes((1, 0, 1, 0, len(track), 0, 0)) + bytes(110) + track.ljust(110, b"\0") + bytes(110)


def _pos(text: str) -> Iterable[bytes]:
    """A Code 128 symbol (AIM id C0)."""
    code = text.encode()
    yield bytes((2, len(code))) + b"]C0" + code.ljust(56, b"\0") + b"\0"


def _hid(name: str, vendor: int, product: int, report: bytes, sends: object, *, keyboard: bool = False) -> Model:
    hid_descriptor = struct.pack("<BBHBBBH", 9, 0x21, 0x0111, 0, 1, 0x22, len(report))
    interface = Interface(HID_CLASS, keyboard, keyboard, ((0x81, INTERRUPT_ENDPOINT, 64),), hid_descriptor)
    assert callable(sends)
    return Model(name, vendor, product, (interface,), sends, report)


def _wedge(name: str, vendor: int, product: int) -> Model:
    return _hid(name, vendor, product, _KEYBOARD_REPORT, _types, keyboard=True)


# Functional descriptors of an abstract control model (CDC 1.2 §5.2.3): header, call management, ACM, union.
_ACM = bytes.fromhex("0524001001 0524010001 04240202 0524060001")

SWIPER = _wedge("USB Swipe Reader", 0x0801, 0x0001)
SCANNER = _wedge("Symbol Bar Code Scanner", 0x05E0, 0x1200)
CASHIERS_KEYBOARD = _wedge("Keyboard K120", 0x046D, 0xC31C)
MAGTEK_HID = _hid("Mag-Tek USB Swipe Reader", 0x0801, 0x0002, _MAGTEK_REPORT, _magtek)
POS_SCANNER = _hid("HID POS Bar Code Scanner", 0x0C2E, 0x0B6A, _POS_REPORT, _pos)
CDC_SCANNER = Model(
    "Symbol CDC Scanner", 0x05E0, 0x1701,
    (
        Interface(CDC_CLASS, 2, 1, ((0x83, INTERRUPT_ENDPOINT, 8),), _ACM),
        Interface(CDC_DATA_CLASS, 0, 0, ((0x82, BULK_ENDPOINT, 64), (0x02, BULK_ENDPOINT, 64))),
    ),
    lambda text: [text.encode()],
)  # fmt: skip
