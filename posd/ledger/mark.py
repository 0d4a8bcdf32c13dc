"""The mark: a second place that names the last entry which touched a lease.

A ledger that comes back from a backup does not know what was spent since. It lacks the entry that the mark names, so it
is found out before anything is spent twice, without a network. The mark knows its own inode: a mark that was copied
along with the ledger is none. It is on disk before the cashier hears that the entry is.

It also names the till's incarnation, which is new after such a find: the club tells no lease of an earlier one again.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from posd.ledger.disk import sync_directory
from posd.ledger.entries import Head

_SLOT = 256

_Slot = tuple[int, Head, str]
"""How often it was marked before, what, and the incarnation."""


class Mark:
    """``path`` lies beside the ledger. Two slots are written in turn, so that a power cut leaves one of them whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._head: Head | None
        self._count, self._head, self._incarnation = self._read()

    @property
    def head(self) -> Head | None:
        """The entry that was marked last; None when there is no mark, or not ours."""
        return self._head

    @property
    def incarnation(self) -> str:
        """16 hex digits."""
        return self._incarnation

    def begin_anew(self) -> None:
        """What this till was before is not to be trusted; on disk with the next `put`."""
        self._head, self._incarnation = None, _fresh()

    def put(self, head: Head) -> None:
        """Mark ``head``; returns when that is on disk. Raises OSError."""
        created = not self._path.exists()
        descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            text = _text(self._count + 1, head, self._incarnation, os.fstat(descriptor).st_ino)
            os.pwrite(descriptor, text.ljust(_SLOT), (self._count + 1) % 2 * _SLOT)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        if created:
            sync_directory(self._path.parent)
        self._count, self._head = self._count + 1, head

    def _read(self) -> _Slot | tuple[int, None, str]:
        nothing = (0, None, _fresh())
        try:
            content, inode = self._path.read_bytes(), self._path.stat().st_ino
        except OSError:
            return nothing
        slots = (_parsed(content[start : start + _SLOT].rstrip(), inode) for start in (0, _SLOT))
        return max((slot for slot in slots if slot is not None), key=lambda slot: slot[0], default=nothing)


def _fresh() -> str:
    return secrets.token_hex(8)


def _text(count: int, head: Head, incarnation: str, inode: int) -> bytes:
    said = f"{count} {head.epoch} {head.seq} {head.hash.hex()} {incarnation} {inode}"
    return f"{said} {hashlib.sha256(said.encode()).hexdigest()}".encode()


def _parsed(text: bytes, inode: int) -> _Slot | None:
    try:
        count, epoch, seq, digest, incarnation, _inode, _check = text.decode().split(" ")
        slot = int(count), Head(int(epoch), int(seq), bytes.fromhex(digest)), incarnation
    except ValueError:
        return None
    return slot if _text(*slot, inode) == text else None
