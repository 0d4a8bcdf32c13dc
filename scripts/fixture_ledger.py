"""A small ledger of this release's schema for the tests: ``tests/fixtures/ledgers/schema-NNNN.db``.

Once a schema is released its ledger is never made anew: later releases must open, migrate and verify that very file.
Run this when a file of `posd/ledger/schema/` is added; a ledger that is there already is left alone.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from posd.clock import Instant
from posd.ledger.accounts import ISSUED, TENDER, TURNOVER, member_account
from posd.ledger.entries import Draft, Kind, Leg
from posd.ledger.members import DeltaPage, MemberRow
from posd.ledger.migrations import scripts
from posd.ledger.store import RequestKey, Store
from posd.sync.wire import Disposition

FOLDER = Path(__file__).parent.parent / "tests" / "fixtures" / "ledgers"
MEMBER = "01" * 16
ROW = MemberRow(MEMBER, "Sara", "•• 34", None, {"PTS": 10}, ("aa" * 32,), 1)


class Hand:
    """A clock that goes a second at each look, and ids that count."""

    def __init__(self) -> None:
        self._seconds: Iterator[int] = count()

    def now(self) -> Instant:
        second = next(self._seconds)
        return Instant(1_763_000_000_000 + second * 1000, "b0" * 16, second * 1_000_000_000)

    def draft(self, kind: Kind, *legs: Leg, ref: bytes | None = None, member: str | None = MEMBER) -> Draft:
        at = self.now()
        return Draft(at.mono_ns.to_bytes(16, "big"), kind, at, member, legs, {"note": "رسید"}, ref)


def make(path: Path) -> None:
    """Two epochs, every table with a row, something acknowledged and something not."""
    hand = Hand()
    sold = hand.draft(Kind.SALE, *legs(10))
    store = Store.open(path, till_id="till-1", clock=hand, ballast_bytes=0)
    store.append(hand.draft(Kind.ENROL), provisional=ROW).result()
    store.append(sold, request=RequestKey.of("register 1", b"sale")).result()
    store.append(hand.draft(Kind.VOID, *legs(-10), ref=sold.entry_id)).result()
    acked = store.append(hand.draft(Kind.READER_CHECK, member=None)).result()
    store.acknowledge(acked.seq, acked.hash, [Disposition(3, "parked", "overdrawn")]).result()
    store.apply_deltas(DeltaPage("cursor", acked.seq, (ROW,), ({"id": "points"},))).result()
    store.close()
    store = Store.open(path, clock=hand, epoch=1, ballast_bytes=0)
    for _ in range(3):
        store.append(hand.draft(Kind.SALE, *legs(5))).result()
    last = hand.draft(Kind.CLOSE, member=None)
    store.close_period(last.entry_id, last.at)
    store.record_attempt(acked.seq + 1, reason="timeout", next_at=hand.now()).result()
    store.close()


def legs(points: int) -> tuple[Leg, ...]:
    money = (Leg(TURNOVER, "IRR", -10_000 * points), Leg(TENDER, "IRR", 10_000 * points))
    return (*money, Leg(member_account(MEMBER), "PTS", points), Leg(ISSUED, "PTS", -points))


def main() -> None:
    path = FOLDER / f"schema-{len(scripts()):04}.db"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "ledger.db"
            make(made)
            shutil.copy(made, path)


if __name__ == "__main__":
    main()
