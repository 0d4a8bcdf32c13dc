"""Check digits and check characters: Luhn, GS1 modulo 10, the LRC of a magnetic stripe, the CRC of a loyalty file."""

from __future__ import annotations

from binascii import crc_hqx

_LUHN_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
"""Twice a digit, with its own two digits added up."""


def luhn_digit(body: str) -> str:
    """The digit that makes ``body`` + digit pass `luhn_ok` (ISO/IEC 7812-1, annex B). ``body``: ASCII digits."""
    total = sum(_LUHN_DOUBLED[int(d)] if n % 2 == 0 else int(d) for n, d in enumerate(reversed(body)))
    return str(-total % 10)


def luhn_ok(number: str) -> bool:
    """True if the last digit is the Luhn check digit of those before it."""
    return len(number) > 1 and _is_digits(number) and luhn_digit(number[:-1]) == number[-1]


def gs1_digit(body: str) -> str:
    """The GS1 check digit for ``body`` (GS1 General Specifications 7.9): weights 3, 1, 3 … from the right."""
    total = sum(int(d) * (3 if n % 2 == 0 else 1) for n, d in enumerate(reversed(body)))
    return str(-total % 10)


def gs1_ok(number: str) -> bool:
    """True if the last digit is the GS1 check digit of those before it (GTIN, GSRN, SSCC)."""
    return len(number) > 1 and _is_digits(number) and gs1_digit(number[:-1]) == number[-1]


def lrc(characters: str, base: int) -> str:
    """The LRC character of a track (ISO/IEC 7811-2 §10): XOR of the data bits of every character from start to end
    sentinel. ``base`` is the code of the character with value 0: 0x20 on track 1, 0x30 on tracks 2 and 3."""
    value = 0
    for character in characters:
        value ^= ord(character) - base
    return chr(base + value)


def crc16(data: bytes) -> bytes:
    """CRC-16/CCITT-FALSE, big endian: finds a misread loyalty file. It is no protection against forgery."""
    return crc_hqx(data, 0xFFFF).to_bytes(2, "big")


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
