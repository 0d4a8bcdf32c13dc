"""A restored ledger, a cloned card, two tills with one identity, a restored club: noticed at the first contact, nothing
lost, nothing doubled, nothing spent twice; both databases."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from posd.club.copies import decide
from posd.club.epochs import EpochState as At
from posd.club.epochs import epochs_of, is_frozen
from posd.club.owner import OpenClub
from posd.club.tables import balance, journal, movement
from posd.ledger.entries import Entry
from posd.ledger.spending import EpochState, Spending
from posd.ledger.verify import verify_ledger
from posd.sync.client import ClubClient
from posd.sync.link import LinkState
from posd.sync.wire import PushRequest
from tests.fakes.copied_till import LEDGER, PATIENCE_S, Machine
from tests.fakes.postgres import ENGINES, database_url
from tests.fakes.running_club import RunningClub
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture(params=ENGINES)
def club(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningClub]:
    with RunningClub(tmp_path / "club", database_url=database_url(request.param)) as running:
        yield running


@pytest.fixture
def till(club: RunningClub, tmp_path: Path) -> Machine:
    return Machine.enrolled(tmp_path / "till", club)


def opened(club: RunningClub) -> OpenClub:
    assert club.opened is not None
    return club.opened


def decided(club: RunningClub, till: Machine, deed: str, epoch: int) -> bool:
    club_id, till_id = club.club.club_id, till.linked.grant.till_id
    return opened(club).database.write(lambda c: decide(c, club_id, till_id, deed, epoch, 1_800_000_000_000))


def states(club: RunningClub, till: Machine) -> dict[int, At]:
    club_id, till_id = club.club.club_id, till.linked.grant.till_id
    found = opened(club).database.read(lambda c: epochs_of(c, club_id, till_id))
    assert is_frozen(found) == (sum(epoch.is_open for epoch in found.values()) > 1)
    return {number: epoch.state for number, epoch in found.items()}


def nothing_lost_nothing_doubled(club: RunningClub, member_id: str, *machines: Machine) -> None:
    """What the club has and has posted is the set of the distinct entries that any of the machines ever booked."""
    distinct = {entry.entry_id: entry for machine in machines for entry in machine.booked}
    with opened(club).database.reader.begin() as connection:
        stored = [bytes(row) for row in connection.execute(select(journal.c.payload)).scalars()]
        moved = connection.execute(select(movement.c.entry_id, movement.c.amount)).all()
        total = connection.execute(select(balance.c.amount).where(balance.c.member_id == member_id)).scalar_one()
        reasons = set(connection.execute(select(journal.c.reason)).scalars())
    assert set(stored) == {entry.payload for entry in distinct.values()}
    earned = {entry.entry_id.hex(): points(entry) for entry in distinct.values() if points(entry)}
    assert sorted(moved) == sorted(earned.items()), "each moves the balance once"
    assert total == sum(earned.values())
    assert len(stored) == len(distinct) and reasons == {""}, "and nothing waits for a person"
    for machine in machines:
        assert verify_ledger(machine.directory / LEDGER).ok


def points(entry: Entry) -> int:
    return sum(leg.amount for leg in entry.draft.legs if leg.account.startswith("member:"))


def spending(till: Machine) -> Spending:
    return till.ledger.reader().epoch_state().spending


def test_a_ledger_from_yesterday_goes_on_under_a_new_epoch(club: RunningClub, till: Machine, tmp_path: Path) -> None:
    with till.online():
        member_id = till.enrol_member()
        till.sell(member_id, 10, 20)
        till.delivered()
    till.backup(tmp_path / "yesterday")
    with till.online():
        till.sell(member_id, 30, 40)
        till.delivered()
    till.restore(tmp_path / "yesterday")
    with till.offline():
        till.sell(member_id, 50)
        assert spending(till) is Spending.FREE, "positive control: offline nobody can know"
    with till.online():
        till.sell(member_id, 60)
        till.delivered()
        after = till.ledger.reader().epoch_state()
        assert (after.epoch, after.spending) == (2, Spending.FROZEN)
        till.sell(member_id, 70)
        till.delivered()
        eventually(lambda: till.shown(member_id) == 280, PATIENCE_S)
        assert states(club, till) == {1: At.OPEN, 2: At.OPEN}
        assert decided(club, till, "choose", 2)
        eventually(lambda: spending(till) is Spending.FREE, PATIENCE_S)
        assert states(club, till) == {1: At.CLOSED, 2: At.OPEN}
    nothing_lost_nothing_doubled(club, member_id, till)


def test_a_restored_till_that_has_nothing_to_send_notices_too(club: RunningClub, till: Machine, tmp_path: Path) -> None:
    with till.online():
        member_id = till.enrol_member()
        till.delivered()
    till.backup(tmp_path / "yesterday")
    with till.online():
        till.sell(member_id, 30)
        till.delivered()
    till.restore(tmp_path / "yesterday")
    with till.online():
        eventually(lambda: till.ledger.reader().epoch_state().epoch == 2, PATIENCE_S)
        assert spending(till) is Spending.FROZEN
        eventually(lambda: till.shown(member_id) == 30, PATIENCE_S)
    with till.offline():
        assert spending(till) is Spending.FROZEN, "a restart forgets nothing"
    nothing_lost_nothing_doubled(club, member_id, till)


def test_what_both_copies_have_undelivered_is_stored_once(club: RunningClub, till: Machine, tmp_path: Path) -> None:
    """A card that is cloned while entries wait: the same entries come from both, then each has its own."""
    with till.online():
        member_id = till.enrol_member()
        till.delivered()
    with till.offline():
        till.sell(member_id, 1, 2, 3)
    clone = till.clone(tmp_path / "clone")
    with till.online():
        till.sell(member_id, 10)
        till.delivered()
    with clone.offline():
        clone.sell(member_id, 100)
    with clone.online():
        clone.delivered()
        assert clone.ledger.reader().epoch_state().epoch == 2
    nothing_lost_nothing_doubled(club, member_id, till, clone)


def test_two_copies_that_take_turns_keep_an_epoch_each(club: RunningClub, till: Machine, tmp_path: Path) -> None:
    with till.online():
        member_id = till.enrol_member()
        till.delivered()
    clone = till.clone(tmp_path / "clone")
    for turn in range(3):
        for machine in (till, clone):
            with machine.online():
                machine.sell(member_id, 1 + turn, 10 + turn)
                machine.delivered()
    with till.online(), clone.online():
        till.sell(member_id, 5)
        clone.sell(member_id, 6)
        till.delivered()
        clone.delivered()
        eventually(lambda: till.shown(member_id) == clone.shown(member_id) == 2 * 39 + 11, PATIENCE_S)
        assert states(club, till) == {1: At.OPEN, 2: At.OPEN}
        eventually(lambda: spending(till) is spending(clone) is Spending.FROZEN, PATIENCE_S)
        nothing_lost_nothing_doubled(club, member_id, till, clone)
        assert decided(club, till, "block", 2)
        eventually(lambda: spending(till) is Spending.FREE, PATIENCE_S)
        eventually(lambda: clone.port.link.state is LinkState.PAUSED, PATIENCE_S)
        clone.sell(member_id, 7)
        assert not decided(club, till, "block", 1), "the only one that is left is the till"
    with clone.offline():
        assert spending(clone) is Spending.FROZEN
        assert clone.ledger.reader().outbox_depth() == 1, "it keeps what it sells"


@pytest.mark.parametrize("chosen", ["the till", "its clone"])
def test_what_was_set_apart_for_a_till_is_spent_at_one_copy_at_most(
    club: RunningClub, till: Machine, tmp_path: Path, chosen: str
) -> None:
    with till.online():
        member_id = till.enrol_member()
        till.sell(member_id, 100)
        till.delivered()
        till.ask_lease(member_id)
        till.delivered()
    clone = till.clone(tmp_path / "clone")
    with till.offline():
        assert till.held(member_id) == 100, "positive control: a restart keeps it"
    with clone.online():
        with till.online():
            till.sell(member_id, 10)
            till.delivered()
            clone.sell(member_id, 20)
            clone.delivered()
            eventually(lambda: spending(till) is spending(clone) is Spending.FROZEN, PATIENCE_S)
            assert till.held(member_id) == clone.held(member_id) == 0
            if chosen == "the till":
                assert decided(club, till, "block", 2)
                eventually(lambda: till.held(member_id) == 100, PATIENCE_S)
                assert clone.held(member_id) == 0
        if chosen == "its clone":
            assert decided(club, till, "choose", 2)
            eventually(lambda: spending(clone) is Spending.FREE, PATIENCE_S)
            clone.ask_lease(member_id)
            assert clone.held(member_id) == 130, "what the other copy held is written off"
            clone.delivered()
    if chosen == "its clone":
        with till.online():
            eventually(lambda: till.ledger.reader().epoch_state().epoch == 3, PATIENCE_S)
            assert till.held(member_id) == 0, "void from its first contact on"
    nothing_lost_nothing_doubled(club, member_id, till, clone)


def test_a_copy_that_comes_back_after_the_choice_is_noticed_again(
    club: RunningClub, till: Machine, tmp_path: Path
) -> None:
    with till.online():
        member_id = till.enrol_member()
        till.delivered()
    clone = till.clone(tmp_path / "clone")
    for machine in (till, clone):
        with machine.online():
            machine.sell(member_id, 3)
            machine.delivered()
    assert decided(club, till, "choose", 2)
    with clone.online():
        eventually(lambda: spending(clone) is Spending.FREE, PATIENCE_S)
        with till.online():
            till.sell(member_id, 4)
            till.delivered()
            assert till.ledger.reader().epoch_state().epoch == 3
        eventually(lambda: spending(clone) is Spending.FROZEN, PATIENCE_S)
    assert states(club, till) == {1: At.CLOSED, 2: At.OPEN, 3: At.OPEN}
    nothing_lost_nothing_doubled(club, member_id, till, clone)


def test_two_tills_with_one_identity_from_the_start(club: RunningClub, till: Machine, tmp_path: Path) -> None:
    twin = till.twin(tmp_path / "twin")
    with till.offline():
        member_id = till.enrol_member()
        till.sell(member_id, 1)
    with twin.offline():
        twin.sell(member_id, 10, 20)
    for machine in (till, twin, till):
        with machine.online():
            machine.sell(member_id, 2)
            machine.delivered()
    with twin.offline():
        assert twin.ledger.reader().epoch_state().epoch == 2
    nothing_lost_nothing_doubled(club, member_id, till, twin)


def test_without_epochs_a_doubled_identity_is_a_conflict_and_its_sales_wait(
    club: RunningClub, till: Machine, tmp_path: Path
) -> None:
    """Positive control: what the club of before would have answered, for ever."""
    with till.online():
        member_id = till.enrol_member()
        till.delivered()
    clone = till.clone(tmp_path / "clone")
    with till.online():
        till.sell(member_id, 10)
        till.delivered()
    with clone.offline():
        clone.sell(member_id, 100)
        reader = clone.ledger.reader()
        request = PushRequest.of(reader.acked_head(), reader.pending())
    client = ClubClient(clone.linked.address)
    for _ in range(2):
        assert client.push(request).answer.status == 409
    client.close()
    with pytest.raises(AssertionError):
        nothing_lost_nothing_doubled(club, member_id, till, clone)


@pytest.mark.parametrize("restored_after_a_fork", [False, True])
def test_a_club_from_yesterday_gets_again_what_it_lost(tmp_path: Path, restored_after_a_fork: bool) -> None:
    """Its database is one file here; what a club forgets is the same on any other."""
    folder, yesterday = tmp_path / "club", tmp_path / "yesterday"
    club = RunningClub(folder).start()
    till = Machine.enrolled(tmp_path / "till", club)
    other = Machine.enrolled(tmp_path / "other", club)
    with till.online(), other.online():
        member_id = till.enrol_member()
        till.sell(member_id, 10)
        till.delivered()
        eventually(lambda: other.shown(member_id) == 10, PATIENCE_S)
    club.stop()
    shutil.copytree(folder, yesterday)
    club.start()
    if restored_after_a_fork:
        till.backup(tmp_path / "ledger")
        with till.online():
            till.sell(member_id, 3)
            till.delivered()
        till.restore(tmp_path / "ledger")
    with till.online(), other.online():
        till.sell(member_id, 20, 30)
        till.delivered()
        other.sell(member_id, 5)
        other.delivered()
        lost = 3 if restored_after_a_fork else 0
        eventually(lambda: other.shown(member_id) == 65 + lost, PATIENCE_S)
        club.stop()
        shutil.rmtree(folder)
        shutil.copytree(yesterday, folder)
        club.start()
        other.sell(member_id, 7)
        till.port.sync_now()
        other.port.sync_now()
        eventually(lambda: other.shown(member_id) == 72, PATIENCE_S)
        eventually(lambda: till.shown(member_id) == 72, PATIENCE_S)
        till.delivered()
        other.delivered()
    state = till_state(till)
    assert (state.spending is Spending.FREE) is not restored_after_a_fork
    if restored_after_a_fork:
        assert state.epoch == 3
        till.booked = [entry for entry in till.booked if points(entry) != 3]  # died with the first copy and the club
    nothing_lost_nothing_doubled(club, member_id, till, other)
    club.stop()


def till_state(till: Machine) -> EpochState:
    with till.offline():
        return till.ledger.reader().epoch_state()
