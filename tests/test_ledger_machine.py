"""The ledger against a model, through sales, retries, acknowledgements, the club's changes, restarts and kills."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from posd.ledger.entries import Draft, Entry
from posd.ledger.members import DeltaPage, MemberRow
from posd.ledger.store import AlreadyResolved, RequestConflict, RequestKey, Store
from posd.ledger.verify import verify_ledger
from tests.fakes.clock import FakeClock
from tests.fakes.sales import back, held_writer, member, sale

MEMBERS = ("m1", "m2")
members = st.sampled_from(MEMBERS)


class Ledger(RuleBasedStateMachine):
    """The model: what was answered, in order, and what an ideal club would say."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.home = tempfile.TemporaryDirectory(prefix="posd-machine-")
        self.kills = 0
        self.booked: list[Entry] = []
        self.drafts: list[Draft] = []
        self.requests: dict[RequestKey, Entry] = {}
        self.voided: dict[bytes, Entry] = {}
        self.acked = 0
        self.club: dict[str, MemberRow] = {}
        self.cursor: str | None = None

    @property
    def path(self) -> Path:
        return Path(self.home.name) / f"life{self.kills}" / "ledger.db"

    @initialize()
    def open(self) -> None:
        self.store = Store.open(self.path, till_id="t", clock=self.clock, ballast_bytes=0)

    def teardown(self) -> None:
        self.store.close()
        assert verify_ledger(self.path).ok
        self.home.cleanup()

    def expect_new(self, draft: Draft, entry: Entry) -> None:
        assert entry.seq == len(self.booked) + 1
        assert entry.draft == draft
        self.booked.append(entry)
        self.drafts.append(draft)

    @rule(member_id=members, earned=st.integers(0, 50), jump_ms=st.integers(-(10**9), 10**9))
    def sell(self, member_id: str, earned: int, jump_ms: int) -> None:
        self.clock.step_wall_ms(jump_ms)
        draft = replace(sale(member_id, earned=earned), at=self.clock.now())
        self.expect_new(draft, self.store.append(draft).result())

    @rule(count=st.integers(2, 5), member_id=members)
    def sell_together(self, count: int, member_id: str) -> None:
        drafts = [sale(member_id) for _ in range(count)]
        with held_writer(self.store):
            futures = [self.store.append(draft) for draft in [*drafts, drafts[0]]]
        for draft, future in zip(drafts, futures, strict=False):
            self.expect_new(draft, future.result())
        assert futures[-1].result() == futures[0].result()

    @rule(number=st.integers(0, 3), body=st.sampled_from([b"a", b"b"]), member_id=members)
    def ask(self, number: int, body: bytes, member_id: str) -> None:
        key = RequestKey.of(f"register {number}", body)
        draft = sale(member_id)
        used = {known.key_hash for known in self.requests}
        if key in self.requests:
            assert self.store.append(draft, request=key).result() == self.requests[key]
        elif key.key_hash in used:
            assert isinstance(self.store.append(draft, request=key).exception(), RequestConflict)
        else:
            self.requests[key] = self.store.append(draft, request=key).result()
            self.expect_new(draft, self.requests[key])

    @precondition(lambda self: self.booked)
    @rule(data=st.data())
    def try_again(self, data: st.DataObject) -> None:
        n = data.draw(st.integers(0, len(self.booked) - 1))
        assert self.store.append(self.drafts[n]).result() == self.booked[n]

    @precondition(lambda self: self.booked)
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        sold = self.drafts[data.draw(st.integers(0, len(self.drafts) - 1))]
        draft = back(sold)
        future = self.store.append(draft)
        if sold.entry_id in self.voided:
            refusal = future.exception()
            assert isinstance(refusal, AlreadyResolved)
            assert refusal.entry == self.voided[sold.entry_id]
        else:
            self.voided[sold.entry_id] = future.result()
            self.expect_new(draft, future.result())

    @precondition(lambda self: self.booked)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        seq = data.draw(st.integers(1, len(self.booked)))
        self.acked = max(self.acked, seq)
        assert self.store.acknowledge(seq, self.booked[seq - 1].hash).result() == self.acked

    @precondition(lambda self: self.acked)
    @rule(data=st.data(), member_id=members)
    def hear_from_the_club(self, data: st.DataObject, member_id: str) -> None:
        posted = data.draw(st.integers(0, self.acked))
        version = self.club[member_id].version + 1 if member_id in self.club else 1
        row = member(member_id, points=self.points(member_id, 0, posted), version=version)
        self.cursor = f"c{posted}.{version}"
        self.store.apply_deltas(DeltaPage(self.cursor, posted, (row,))).result()
        self.club[member_id] = row

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.open()

    @rule()
    def be_killed(self) -> None:
        """What a kill leaves is what the files hold now: go on with a copy of them, log included."""
        before = self.path.parent
        self.kills += 1
        subprocess.run(["cp", "-r", before, self.path.parent], check=True)
        self.store.close()
        self.open()

    def points(self, member_id: str, after: int, through: int | None = None) -> int:
        account = f"member:{member_id}"
        return sum(leg.amount for draft in self.drafts[after:through] for leg in draft.legs if leg.account == account)

    @invariant()
    def the_journal_is_what_was_answered(self) -> None:
        reader = self.store.reader()
        assert reader.entries() == tuple(self.booked)
        assert reader.pending(limit=1000, max_bytes=2**30) == tuple(self.booked[self.acked :])
        assert (reader.outbox_depth(), reader.acked_seq()) == (len(self.booked) - self.acked, self.acked)
        assert reader.cursor() == self.cursor

    @invariant()
    def a_standing_counts_every_own_leg_once(self) -> None:
        for member_id in self.club:
            standing = self.store.reader().standing(member_id)
            assert standing is not None
            assert standing.balances["PTS"] == self.points(member_id, 0)


Ledger.TestCase.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
TestLedger = pytest.mark.slow(Ledger.TestCase)
