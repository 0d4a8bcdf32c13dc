"""Check digits and check characters: Luhn, GS1 modulo 10, ISO 7064, Code 39 modulo 43, the LRC of a magnetic stripe,
the CRC of a loyalty file."""

from __future__ import annotations

from binascii import crc_hqx

_LUHN_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
"""Twice a digit, with its own two digits added up."""
_ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Values of ISO 7064: A is 10, Z is 35."""
_CODE_39 = _ALPHANUMERIC + "-. $/+%"


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


def mod_11_2_ok(number: str) -> bool:
    """ISO 7064 MOD 11-2: digits, the last one may be X (10)."""
    if not _is_digits(number[:-1]) or number[-1] not in "0123456789X":
        return False
    total = 0
    for character in number:
        total = total * 2 + "0123456789X".index(character)
    return total % 11 == 1


def mod_37_36_ok(number: str) -> bool:
    """ISO 7064 MOD 37,36: digits and capital letters, the last one is the check character."""
    if len(number) < 2 or not set(number) <= set(_ALPHANUMERIC):
        return False
    rest = 36
    for character in number[:-1]:
        rest = ((rest + _ALPHANUMERIC.index(character)) % 36 or 36) * 2 % 37
    return (rest + _ALPHANUMERIC.index(number[-1])) % 36 == 1


def mod_97_10_ok(number: str) -> bool:
    """ISO 7064 MOD 97-10: digits and capital letters (read as 10 to 35), the last two are check digits."""
    if not _is_digits(number[-2:]) or len(number) < 3 or not set(number) <= set(_ALPHANUMERIC):
        return False
    return int("".join(str(_ALPHANUMERIC.index(character)) for character in number)) % 97 == 1


def mod_43_ok(text: str) -> bool:
    """The optional check character at the end of a Code 39 symbol (ISO/IEC 16388, annex A)."""
    if len(text) < 2 or not set(text) <= set(_CODE_39):
        return False
    return sum(map(_CODE_39.index, text[:-1])) % 43 == _CODE_39.index(text[-1])


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
