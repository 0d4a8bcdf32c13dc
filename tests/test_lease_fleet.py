"""Nobody spends what nobody has: eight tills that serve the same member, with partitions, lost and repeated messages,
restarts, clocks that jump, and ledgers that come back from backups. Everything but the network is real.

``POSD_FLEETS=1500 pytest tests/test_lease_fleet.py`` tries as many of each kind; a seed replays its fleet.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from posd.ledger.store import Store
from tests.fakes.fleet import BALANCE, Fleet, ReclaimingClub, VirtualClub, fleet, found
from tests.powerloss.torture import fast_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

FLEETS = int(os.environ.get("POSD_FLEETS", "24"))
STEPS = 50


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with fast_folder() as folder:
        found(folder / "template")
        yield folder


def lived(shop: Fleet) -> Fleet:
    for _ in range(STEPS):
        shop.step()
    return shop


def test_no_fleet_overspends_and_all_books_agree_in_the_end(folder: Path) -> None:
    handed_out = 0
    for seed in range(FLEETS):
        with fleet(folder, folder / "template", seed) as shop:
            assert lived(shop).exposed <= BALANCE, f"seed {seed}"
            shop.heal()
            books = shop.club.points(), shop.club.set_apart(), shop.club.parked(), shop.broken()
            assert books == (BALANCE - shop.handed_out, 0, 0, []), f"seed {seed}"
            handed_out += shop.handed_out
    assert handed_out > FLEETS * BALANCE // 4, "positive control: points are spent"


def test_ledgers_from_backups_overspend_nothing(folder: Path) -> None:
    """What the club cannot know any more stays set apart."""
    set_apart = 0
    for seed in range(FLEETS):
        with fleet(folder, folder / "template", seed, restores=True) as shop:
            assert lived(shop).exposed <= BALANCE, f"seed {seed}"
            shop.heal()
            assert shop.club.points() - shop.club.set_apart() <= BALANCE - shop.handed_out, f"seed {seed}"
            assert shop.broken() == [], f"seed {seed}"
            set_apart += shop.club.set_apart()
    assert set_apart, "positive control: some came back without knowing what they had spent"


def exposed(folder: Path, seeds: range, club: type[VirtualClub] = VirtualClub, *, restores: bool) -> list[int]:
    """The most that each fleet could have handed out."""
    most = []
    for seed in seeds:
        with fleet(folder, folder / "template", seed, club, restores=restores) as shop:
            most.append(lived(shop).exposed)
    return most


def test_positive_control_a_club_that_takes_back_by_the_clock_overspends(folder: Path) -> None:
    assert min(exposed(folder, range(4), ReclaimingClub, restores=False)) > BALANCE


def test_positive_control_without_the_mark_a_backup_overspends(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "_look_at_the_mark", lambda _self, _reader: None)
    assert max(exposed(folder, range(8), restores=True)) > BALANCE
