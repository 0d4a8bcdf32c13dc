"""An exported journal, line by line: what each line says. Only exactly what `posd.ledger.export` writes is taken, so
that no byte of a file can change unnoticed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from posd.ledger.entries import BEGINNING, Entry, Head
from posd.ledger.export import FORMAT, Signed, account_line, entry_line, head_line, opening_line, signed_line


@dataclass(frozen=True, slots=True)
class Opening:
    """The first line: whose journal, and which entry it follows."""

    till: str
    start: Head


@dataclass(frozen=True, slots=True)
class Held:
    """What an account held at the start."""

    account: str
    unit: str
    amount: int


Line = Opening | Held | Entry | Head | Signed


def read_line(text: str) -> Line:
    """Raises ValueError, KeyError, TypeError, OverflowError or RecursionError for anything that posd did not write."""
    line, written = _understood(json.loads(text))
    if written.removesuffix("\n") != text.removesuffix("\n"):
        raise ValueError("it is written otherwise than posd does")
    return line


def _understood(document: Any) -> tuple[Line, str]:
    """The line and how posd writes it."""
    if not isinstance(document, dict):
        raise TypeError("it is not an object")
    if "format" in document:
        opening = _opening(document)
        return opening, opening_line(opening.till, opening.start)
    if "opening" in document:
        held = Held(*document["opening"])
        if type(held.amount) is not int:
            raise TypeError("an amount is an integer")
        return held, account_line(held.account, held.unit, held.amount)
    if "entry" in document:
        entry = _entry(document["entry"])
        return entry, entry_line(entry)
    if "signed" in document:
        signed = Signed(*map(str, document["signed"]))
        return signed, signed_line(signed)
    head = _position(document["head"])
    return head, head_line(head)


def _opening(document: Mapping[str, Any]) -> Opening:
    if document["format"] != FORMAT:
        raise ValueError(f"this is not a journal of {FORMAT}")
    return Opening(str(document["till"]), _position(document["after"]) if "after" in document else BEGINNING)


def _entry(line: Mapping[str, Any]) -> Entry:
    return Entry(
        seq=int(line["seq"]),
        epoch=int(line["epoch"]),
        entry_id=bytes.fromhex(line["id"]),
        payload=str(line["payload"]).encode(),
        prev=bytes.fromhex(line["prev"]),
        hash=bytes.fromhex(line["hash"]),
    )


def _position(line: Mapping[str, Any]) -> Head:
    return Head(int(line["epoch"]), int(line["seq"]), bytes.fromhex(line["hash"]))
