"""The mark: a second place that names the last entry which touched a lease.

A ledger that comes back from a backup does not know what was spent since. It lacks the entry that the mark names, so it
is found out before anything is spent twice, without a network. The mark knows its own inode: a mark that was copied
along with the ledger is none. It is on disk before the cashier hears that the entry is.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from posd.ledger.disk import sync_directory
from posd.ledger.entries import Head

_SLOT = 256


class Mark:
    """``path`` lies beside the ledger. Two slots are written in turn, so that a power cut leaves one of them whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count, self._head = self._read()

    @property
    def head(self) -> Head | None:
        """The entry that was marked last; None when there is no mark, or not ours."""
        return self._head

    def put(self, head: Head) -> None:
        """Mark ``head``; returns when that is on disk. Raises OSError."""
        created = not self._path.exists()
        descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            text = _text(self._count + 1, head, os.fstat(descriptor).st_ino)
            os.pwrite(descriptor, text.ljust(_SLOT), (self._count + 1) % 2 * _SLOT)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        if created:
            sync_directory(self._path.parent)
        self._count, self._head = self._count + 1, head

    def _read(self) -> tuple[int, Head | None]:
        try:
            content, inode = self._path.read_bytes(), self._path.stat().st_ino
        except OSError:
            return 0, None
        slots = (_parsed(content[start : start + _SLOT].rstrip(), inode) for start in (0, _SLOT))
        return max((slot for slot in slots if slot is not None), key=lambda slot: slot[0], default=(0, None))


def _text(count: int, head: Head, inode: int) -> bytes:
    said = f"{count} {head.epoch} {head.seq} {head.hash.hex()} {inode}"
    return f"{said} {hashlib.sha256(said.encode()).hexdigest()}".encode()


def _parsed(text: bytes, inode: int) -> tuple[int, Head] | None:
    try:
        count, epoch, seq, digest, _inode, _check = text.decode().split(" ")
        slot = int(count), Head(int(epoch), int(seq), bytes.fromhex(digest))
    except ValueError:
        return None
    return slot if _text(*slot, inode) == text else None
