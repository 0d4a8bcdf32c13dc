"""Every family of chips through real pyscard and a real pcscd: from the card in the slot to whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from posd.cards.decode import decode
from posd.cards.identity import Identity
from posd.cards.ndef import TEXT, NdefRecord, encode_message
from posd.cards.reads import RejectedRead, RejectReason
from posd.cards.rules import CardRules, identify
from posd.cards.scripts.layouts import ChipLayout, ClassicLayout, MemoryCardLayout
from posd.cards.sun import SunLayout
from posd.drivers.base import HealthLevel
from posd.drivers.contract import Session, eventually
from posd.drivers.pcsc import SPEC, PcscConfig, PcscReader
from posd.drivers.simulated_card import payment_card
from posd.errors import ConfigError, DeviceDenied
from posd.events import RawRead
from posd.machine import SystemClock
from tests.fakes.apdu_watch import Watcher
from tests.fakes.chip_card import type_2_pages
from tests.fakes.pcscd import no_card_anywhere, process_pcscd
from tests.fakes.storage_cards import SLE4428_ATR, SLE4442_ATR, ClassicCard, MemoryCard, NtagCard
from tests.fakes.sun_tag import SunTag
from tests.fakes.virtual_card import Card, Slot
from tests.test_cards_chip_desfire import LAYOUT, MAC, MEMBER, READ, card
from tests.test_cards_chip_storage import FILE, KEY, classic
from tests.test_drivers_pcsc import ChipRig

pytestmark = pytest.mark.slow

SUN_KEY, NUMBER = bytes(range(32, 48)), "0009876543210"
TAG = SunTag(bytes.fromhex("04DE5F1EACC041"), SUN_KEY)


@pytest.fixture
def layout(tmp_path: Path) -> ChipLayout:
    """A shop that has every family, on readers that can read memory cards."""
    keys = tmp_path / "keys.toml"
    keys.write_text(
        f'[classic]\nread = "{KEY.hex()}"\n[sun]\nfile = "{SUN_KEY.hex()}"\n'
        f'[desfire]\nread = "{READ.hex()}"\nmac = "{MAC.hex()}"\n'
    )
    keys.chmod(0o600)
    return ChipLayout(
        keys_file=str(keys),
        classic=ClassicLayout(),
        sun=SunLayout(),
        desfire=LAYOUT,
        memory_card=MemoryCardLayout(readers=("Virtual PCD*",)),
    )


@pytest.fixture
def rig(layout: ChipLayout) -> Iterator[ChipRig]:
    pcscd = process_pcscd()
    rig = ChipRig(pcscd, Slot(pcscd.ports[0]), [], [])
    rig.config = PcscConfig("Virtual PCD*", layout)
    yield rig
    rig.slot.remove()
    eventually(no_card_anywhere, "noticing that the card is gone")


def meaning(read: RawRead) -> tuple[str, str, bool] | RejectReason:
    """Scheme, number, earn-only; or why not."""
    found = decode(read, CardRules())
    who = found if isinstance(found, RejectedRead) else identify(found, CardRules())
    return (who.scheme, who.value, who.earn_only) if isinstance(who, Identity) else who.reason


CARDS: dict[str, tuple[bytes, Card, object]] = {
    "DESFire, EV2": (card().atr, card(), ("card", MEMBER, False)),
    "DESFire, EV1": (card().atr, card(ev2=False), ("card", MEMBER, False)),
    "DESFire, forged": (card().atr, card(key=bytes(16)), RejectReason.NOT_GENUINE),
    "NTAG 424": (TAG.atr, TAG.tap().transmit, ("sun", "04DE5F1EACC041", False)),
    "NTAG 424, older link": (TAG.atr, SunTag(TAG.uid, SUN_KEY).tap().transmit, RejectReason.NOT_GENUINE),
    "NTAG": (
        NtagCard(b"").atr,
        NtagCard(type_2_pages(encode_message([NdefRecord(TEXT, NUMBER)]))),
        ("card", NUMBER, False),
    ),
    "Classic": (ClassicCard.atr, classic(FILE), ("card", NUMBER, False)),
    "Classic of another": (ClassicCard.atr, ClassicCard({}, {}), ("uid", "5A112233", True)),
    "SLE4442": (
        SLE4442_ATR,
        MemoryCard(SLE4442_ATR, bytes(32) + FILE.ljust(224, b"\xff"), needs_type=True),
        ("card", NUMBER, False),
    ),
    "SLE4428": (
        SLE4428_ATR,
        MemoryCard(SLE4428_ATR, bytes(32) + FILE.ljust(992, b"\xff"), needs_type=True),
        ("card", NUMBER, False),
    ),
    "bank card": (payment_card().atr, payment_card(), RejectReason.PAYMENT_CARD),
}


def test_every_family_on_one_reader(rig: ChipRig, watched: Watcher) -> None:
    with Session(rig) as session:
        for name, (atr, one, wanted) in CARDS.items():
            rig.slot.insert(atr, one)
            assert meaning(session.next()) == wanted, name
            rig.slot.remove()


@pytest.mark.parametrize("ev2", [False, True])
def test_a_desfire_card_pulled_at_every_command_is_never_half_read(rig: ChipRig, ev2: bool) -> None:
    one = card(ev2=ev2)
    with Session(rig) as session:
        rig.slot.insert(one.atr, one)
        assert meaning(session.next()) == ("card", MEMBER, False)
        commands = len(rig.slot.commands)
        assert commands >= 7
        rig.slot.remove()
        for position in range(commands):
            eventually(no_card_anywhere, "noticing that the card is gone")
            rig.slot.insert(one.atr, one, vanish_at=position)
            assert meaning(session.next()) is RejectReason.REMOVED_EARLY, f"pulled at command {position}"
            rig.slot.remove()


def test_a_copied_link_is_known_on_every_reader_of_the_process_and_after_pcscd_restarts(rig: ChipRig) -> None:
    tag = SunTag(bytes.fromhex("04DE5F1EACC042"), SUN_KEY)
    tapped = tag.tap()
    with Session(rig) as session:
        rig.slot.insert(tag.atr, tapped.transmit)
        assert meaning(session.next()) == ("sun", "04DE5F1EACC042", False)
        rig.lose()
    rig.restore()
    with Session(rig) as session:
        rig.slot.insert(tag.atr, tapped.transmit)
        assert meaning(session.next()) is RejectReason.NOT_GENUINE


def test_a_keys_file_that_others_may_read_keeps_the_reader_shut(rig: ChipRig, layout: ChipLayout) -> None:
    path = Path(str(layout.keys_file))
    path.chmod(0o644)
    with pytest.raises(DeviceDenied, match="chmod 0640"):
        PcscReader("door", rig.config, SystemClock())
    check = SPEC.check_health("door", rig.config, HealthLevel.INTERNAL)[-1]
    assert (check.ok, check.name, "chmod 0640" in check.fix) == (False, "keys", True)
    path.chmod(0o600)
    checks = SPEC.check_health("door", rig.config, HealthLevel.INTERNAL)
    assert all(check.ok for check in checks)
    shown = repr((checks, rig.config, PcscReader)) + repr(rig.config)
    assert not any(key.hex() in shown for key in (KEY, READ, MAC, SUN_KEY))


def test_a_key_that_is_missing_is_named_before_any_card_comes(rig: ChipRig, layout: ChipLayout) -> None:
    config = replace(rig.config, card=replace(layout, keys_file=None))
    with pytest.raises(ConfigError, match=r"classic\.read is missing"):
        PcscReader("door", config, SystemClock())
