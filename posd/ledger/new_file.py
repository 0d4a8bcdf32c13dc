"""A file that appears under its name whole, checked and durable, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from posd.errors import LedgerError
from posd.ledger.disk import sync_directory, unwritable


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Write the file that is yielded; when nothing was raised it is on disk as ``path``.

    Raises `LedgerError` when there is such a file already, `LedgerUnwritable` where it cannot be written. (It is
    renamed, not linked, since the file systems of memory sticks have no links.)
    """
    if path.exists():
        raise LedgerError(f"{path} exists already; choose another name")
    draft = path.with_name(f".{path.name}.part")
    try:
        with suppress(FileNotFoundError):
            draft.unlink()
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        yield draft
        sync_file(draft)
        draft.rename(path)
        sync_directory(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):
            draft.unlink()


def sync_file(path: Path) -> None:
    """fsync(2), through a descriptor of its own."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
