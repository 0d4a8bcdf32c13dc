"""A small file beside the ledger that says whose ledger is there: one that is gone is missed, not begun anew.

Deleted by accident, lost by a repair of the file system, emptied: without this the next start would begin an empty
journal under the same name, and nobody would know of the sales that the club had not heard of.
"""

from __future__ import annotations

from pathlib import Path

from posd.errors import LedgerBroken
from posd.machine import write_private


class Witness:
    """``path`` is the ledger's."""

    def __init__(self, path: Path) -> None:
        self._ledger = path
        self._path = path.with_name(path.name + ".till")

    def ask(self, till_id: str | None, epoch: int | None) -> None:
        """Raises `LedgerBroken` when the ledger is missing or empty and there was one. Another till, or an epoch that
        the club granted since, begins a new one. Raises OSError."""
        if self._ledger.exists() and self._ledger.stat().st_size > 0:
            return
        known_id, known_epoch = self._known() or ("", 0)
        if not known_id or till_id not in (None, known_id) or (epoch or 0) > known_epoch:
            return
        raise LedgerBroken(
            f"{self._ledger} of till {known_id} is gone or empty, and what the club has not heard of is in it. Put the "
            f"file or its newest backup back; if there is none, delete {self._path} to start with an empty ledger"
        )

    def tell(self, till_id: str, epoch: int) -> None:
        """There is a ledger now, durably. Raises OSError."""
        if self._known() != (till_id, epoch):
            write_private(self._path, f"{till_id} {epoch}\n".encode())

    def _known(self) -> tuple[str, int] | None:
        try:
            till_id, _, epoch = self._path.read_text("utf-8").strip().rpartition(" ")
        except FileNotFoundError:
            return None
        return till_id, int(epoch) if epoch.isdigit() else 0
