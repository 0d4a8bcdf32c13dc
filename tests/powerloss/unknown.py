"""Sales whose outcome nobody heard, handed in again at the next start.

``python -m tests.powerloss.unknown FOLDER``, under the recorder with ``FOLDER/world`` as its root. A disk whose nth
sync fails, alone or with all later ones, while sales are made; a process that is killed after the nth effect of a sale.
For each it prints a line of JSON: how many sales were told, how many of those the next start lacks, and how many are
too many after what was not told was handed in again, with the same ids and with new ones (the positive control).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from posd.errors import LedgerUnwritable
from posd.ledger import writer
from posd.ledger.entries import Draft
from posd.ledger.store import Store
from posd.ledger.verify import verify_ledger
from posd.machine import SystemClock
from tests.fakes.sales import sale
from tests.powerloss.recording import set_switches
from tests.powerloss.workload import SWITCHES

SALES = 8
SYNCS = 8
FOR_EVER = 1_000


class Shop:
    """One ledger, and what its till was told."""

    def __init__(self, folder: Path, name: str, sales: int) -> None:
        self.path = folder / "world" / name / "ledger.db"
        self._told = folder / f"{name}.told"
        self.drafts = [sale() for _ in range(sales)]
        in_child(lambda: self.open().close())

    def open(self) -> Store:
        store = Store.open(self.path, till_id="till-1", clock=SystemClock(), ballast_bytes=0)
        store.reader()  # as a till has one, all day
        return store

    def sell(self, **fault: int) -> None:
        """Until a sale is refused; the process ends as a killed one."""
        store = self.open()
        set_switches(switches, **fault)
        for draft in self.drafts:
            try:
                store.append(draft).result()
            except LedgerUnwritable:
                return
            with self._told.open("a") as told:
                told.write(f"{draft.entry_id.hex()}\n")

    def told(self) -> list[str]:
        return self._told.read_text().split() if self._told.exists() else []

    def lost(self) -> int:
        """How many that were told are not there. Raises AssertionError for a journal that is not whole."""
        report = verify_ledger(self.path)
        assert report.ok, report.broken
        store = self.open()
        lacking = [told for told in self.told() if store.reader().entry(bytes.fromhex(told)) is None]
        store.close()
        return len(lacking)

    def hand_in(self, anew: Callable[[Draft], Draft]) -> None:
        """What was not told."""
        store = self.open()
        for draft in self.drafts:
            if draft.entry_id.hex() not in self.told():
                store.append(anew(draft)).result()
        store.close()

    def too_many(self) -> int:
        return verify_ledger(self.path).head.seq - len(self.drafts)


def in_child(run: Callable[[], object]) -> None:
    """In a process of its own, which ends as a killed one."""
    child = os.fork()
    if child == 0:
        run()
        os._exit(0)
    os.waitpid(child, 0)
    set_switches(switches)


def outcome(folder: Path, name: str, sales: int, **fault: int) -> dict[str, object]:
    said: dict[str, object] = {"fault": name}
    for ids, anew in (("same", lambda draft: draft), ("new", lambda _draft: sale())):
        shop = Shop(folder, f"{name}, {ids} ids", sales)
        in_child(partial(shop.sell, **fault))
        said |= {"told": len(shop.told()), "lost": shop.lost()}
        in_child(partial(shop.hand_in, anew))
        said[ids] = shop.too_many()
    return said


def outcomes(folder: Path) -> Iterator[dict[str, object]]:
    for nth in range(1, SYNCS + 1):
        yield outcome(folder, f"sync {nth} fails once", SALES, sync_to_fail=nth, syncs_failing=1)
        yield outcome(folder, f"sync {nth} and all later fail", SALES, sync_to_fail=nth, syncs_failing=FOR_EVER)
    nth, told = 0, False
    while not told:
        nth += 1
        said = outcome(folder, f"killed after effect {nth}", 1, last_effect=nth)
        told = said["told"] == 1
        yield said


if __name__ == "__main__":
    switches = Path(os.environ[SWITCHES])
    writer.CHECKPOINT_JOBS = 3
    for said in outcomes(Path(sys.argv[1])):
        print(json.dumps(said), flush=True)
