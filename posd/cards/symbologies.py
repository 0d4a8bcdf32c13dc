"""Symbology identifiers: what ``]cm`` in front of a scan says (ISO/IEC 15424; GS1 General Specifications 5.1.2)."""

from __future__ import annotations

GS1_CARRIERS = frozenset({"]C1", "]e0", "]e1", "]e2", "]d2", "]d5", "]Q3", "]Q4", "]J1"})
"""GS1-128, DataBar and composites, GS1 DataMatrix and GS1 QR (the second of each with ECI), GS1 DotCode: they carry
element strings."""
EAN, INTERLEAVED = "]E", "]I"
"""How the identifiers of EAN/UPC and of Interleaved 2 of 5 begin. A scanner may read a part of the latter and take
it for the whole."""
HOST_COMMAND = "]Z6"
"""Not a bar code: a Honeywell scanner's answer to a host command."""
CHECK_STRIPPED = frozenset({"]A3", "]A7"})
"""Code 39 whose check character the scanner has verified and kept to itself."""

_NAMES = {
    "A": "Code 39",
    "B": "Telepen",
    "C": "Code 128",
    "D": "Code One",
    "E": "EAN/UPC",
    "F": "Codabar",
    "G": "Code 93",
    "H": "Code 11",
    "I": "Interleaved 2 of 5",
    "J": "DotCode",
    "K": "Code 16K",
    "L": "PDF417",
    "M": "MSI",
    "N": "Anker",
    "O": "Codablock",
    "P": "Plessey",
    "Q": "QR",
    "R": "Straight 2 of 5 (two-bar start)",
    "S": "Straight 2 of 5 (three-bar start)",
    "T": "Code 49",
    "U": "MaxiCode",
    "X": "another symbology",
    "Z": "no bar code",
    "c": "Channel Code",
    "d": "Data Matrix",
    "e": "GS1 DataBar",
    "h": "Han Xin",
    "o": "OCR",
    "p": "PosiCode",
    "s": "SuperCode",
    "u": "Ultracode",
    "z": "Aztec",
}
_EXACT = {
    "]C1": "GS1-128",
    "]C2": "Code 128, FNC1 in second position",
    "]E3": "EAN/UPC with add-on",
    "]E4": "EAN-8",
    "]J1": "GS1 DotCode",
    "]Q3": "GS1 QR",
    "]Q4": "GS1 QR",
    "]d2": "GS1 DataMatrix",
    "]d5": "GS1 DataMatrix",
    "]e1": "GS1 composite",
    "]e2": "GS1 composite",
    HOST_COMMAND: "a scanner's answer to a host command",
}
_CHECK = {0: "", 1: ", check character verified", 3: ", check character verified and stripped"}
_FULL_ASCII = 4


def symbology_name(identifier: str) -> str:
    """In words, for a technician: ``]A5`` is "Code 39, check character verified, full ASCII"."""
    if identifier in _EXACT:
        return _EXACT[identifier]
    letter, modifier = identifier[1], int(identifier[2], 36)
    name = _NAMES.get(letter, "an unknown symbology")
    if letter == "A":
        return name + _CHECK.get(modifier % _FULL_ASCII, "") + (", full ASCII" if modifier >= _FULL_ASCII else "")
    return name + (_CHECK.get(modifier, "") if letter == "I" else "")
