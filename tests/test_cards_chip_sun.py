"""NTAG 424 DNA: links that the tag itself signs, and everything a thief might make of one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.cards.card_keys import SUN_FILE, SUN_PICC, CardKeys
from posd.cards.chip import NDEF, SUN, ChipContents
from posd.cards.identity import Identity
from posd.cards.reads import ChipRead, Refusal, RejectReason
from posd.cards.rules import CardRules, identify
from posd.cards.scripts.conversation import read_card
from posd.cards.scripts.dialogue import run
from posd.cards.scripts.layouts import ChipLayout
from posd.cards.scripts.setup import ChipSetup
from posd.cards.sun import SeenCounters, SunLayout, SunTag, verify
from posd.clock import Instant
from tests.fakes import sun_tag
from tests.fakes.chip_card import FakeChipCard
from tests.fakes.sun_tag import link_tag

FILE_KEY, PICC_KEY = bytes(range(16)), bytes(range(16, 32))
UID = bytes.fromhex("04DE5F1EACC040")
ZERO = bytes(16)


def till(layout: SunLayout | None = None, picc: bool = True) -> ChipSetup:
    keys = {SUN_FILE: FILE_KEY} | ({SUN_PICC: PICC_KEY} if picc else {})
    return ChipSetup(ChipLayout(sun=layout or SunLayout()), keys=CardKeys(keys))


def read(card: FakeChipCard, setup: ChipSetup) -> ChipContents:
    return run(read_card(card.atr, setup), card.transmit)


# --- published examples


def test_nxps_example() -> None:
    """AN12196 §3.4: all keys zero, encrypted PICCData, nothing but UID and counter in the MAC."""
    link = "https://choose.url.com/ntag424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086"
    assert verify(link, SunLayout(picc_data="e", mac="c"), ZERO, ZERO) == SunTag(UID, 0x3D)


def test_the_plain_form_of_the_same_tap_has_the_same_mac() -> None:
    link = "https://choose.url.com/ntag424?uid=04DE5F1EACC040&ctr=00003D&cmac=94EED9EE65337086"
    assert verify(link, SunLayout(), None, ZERO) == SunTag(UID, 0x3D)


# --- our own tag


@pytest.mark.parametrize("picc_key", [None, PICC_KEY])
@pytest.mark.parametrize("signed", ["", "00112233445566778899AABBCCDDEEFF"])
def test_each_tap_of_a_genuine_tag_is_its_uid_and_nothing_else(picc_key: bytes | None, signed: str) -> None:
    tag, setup = sun_tag.SunTag(UID, FILE_KEY, picc_key, signed), till(SunLayout(mac_from="enc"))
    for _ in range(3):
        assert read(tag.tap(), setup) == ChipContents(tag.atr, None, {SUN: UID})


def test_a_copied_link_is_refused_as_soon_as_the_tag_was_seen() -> None:
    tag, setup = sun_tag.SunTag(UID, FILE_KEY, PICC_KEY), till()
    tag.tap()
    stolen = link_tag(tag.link(), UID)
    assert read(tag.tap(), setup).contents == {SUN: UID}
    refused = read(stolen, setup)
    assert (refused.refusal, refused.contents, refused.uid) == (RejectReason.NOT_GENUINE, {}, None)
    assert "did not rise" in refused.detail
    assert read(tag.tap(), setup).contents == {SUN: UID}, "the tag itself is not locked out"


def test_a_link_copied_and_used_before_the_tag_is_what_no_till_can_see() -> None:
    """What remains (docs/security.md): a link that nobody has shown yet works once."""
    tag, setup = sun_tag.SunTag(UID, FILE_KEY, PICC_KEY), till()
    tag.tap()
    stolen = link_tag(tag.link(), UID)
    assert read(stolen, setup).contents == {SUN: UID}
    assert read(stolen, setup).refusal is RejectReason.NOT_GENUINE


@pytest.mark.parametrize(
    "forge",
    [
        lambda link: link[:-1] + ("0" if link[-1] != "0" else "1"),
        lambda link: link.replace("cmac=", "cmac=00"),
        lambda link: link[: link.index("cmac=") + 5],
        lambda link: link.replace(UID.hex().upper(), "04DE5F1EACC041"),
        lambda link: link.replace("ctr=000001", "ctr=000002"),
        lambda link: link.replace("ctr=000001", "ctr=1"),
    ],
)
def test_a_forged_link_is_refused(forge: object) -> None:
    tag = sun_tag.SunTag(UID, FILE_KEY)
    tag.tap()
    assert callable(forge)
    forged = forge(tag.link())
    assert forged != tag.link()
    assert read(link_tag(forged, UID), till()).refusal is RejectReason.NOT_GENUINE


@pytest.mark.parametrize(("picc_key", "has"), [(FILE_KEY, True), (PICC_KEY, False)])
def test_picc_data_that_the_tills_key_does_not_open_is_refused(picc_key: bytes, has: bool) -> None:
    refused = read(sun_tag.SunTag(UID, FILE_KEY, picc_key).tap(), till(picc=has))
    assert (refused.refusal, "sun.picc" in refused.detail) == (RejectReason.NOT_GENUINE, True)


def test_a_tag_of_another_club_is_refused() -> None:
    refused = read(sun_tag.SunTag(UID, PICC_KEY).tap(), till())
    assert (refused.refusal, "sun.file" in refused.detail) == (RejectReason.NOT_GENUINE, True)


def test_a_parameter_that_comes_twice_is_none() -> None:
    tag = sun_tag.SunTag(UID, FILE_KEY)
    tag.tap()
    assert verify(tag.link() + "&uid=04000000000000", SunLayout(), None, FILE_KEY) is None


@pytest.mark.parametrize("link", ["https://club.example/8018/123456789012345675", "https://club.example/?cmac=00", ""])
def test_other_links_are_as_they_were(link: str) -> None:
    assert verify(link, SunLayout(), None, FILE_KEY) is None
    if link:
        card = link_tag(link, UID)
        found = read(card, till())
        assert (found.uid, set(found.contents)) == (UID, {NDEF})


def test_without_the_table_a_signed_link_is_a_link() -> None:
    card = sun_tag.SunTag(UID, FILE_KEY).tap()
    assert set(read(card, ChipSetup()).contents) == {NDEF}


def test_counters_are_kept_per_tag_and_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posd.cards.sun._MOST_TAGS", 2)
    seen, one, other, third = SeenCounters(), b"1", b"2", b"3"
    assert all(seen.rises(SunTag(uid, 5)) for uid in (one, other))
    assert seen.rises(SunTag(one, 6))
    assert not seen.rises(SunTag(one, 6))
    assert seen.rises(SunTag(third, 0))
    assert seen.rises(SunTag(other, 5)), "forgotten, being the oldest"


@pytest.mark.fuzz
@given(
    st.text(max_size=60)
    | st.from_regex(r"https://x/\?(uid|picc_data)=[0-9A-F]{12,34}(&ctr=[0-9A-F]{5,7})?&cmac=[0-9A-F]{15,17}"),
    st.sampled_from([None, PICC_KEY]),
)
def test_any_text_is_no_genuine_link(link: str, picc_key: bytes | None) -> None:
    found = verify(link, SunLayout(mac_from="ctr"), picc_key, FILE_KEY)
    assert found is None or isinstance(found, Refusal)


def test_neither_key_nor_uid_shows_itself() -> None:
    shown = repr((till(), SunTag(UID, 7)))
    assert "CardKeys(sun.file, sun.picc)" in shown
    for secret in (FILE_KEY, PICC_KEY, UID):
        assert secret.hex() not in shown.lower()
        assert repr(secret) not in shown


def test_a_genuine_tag_is_an_identity_that_may_spend() -> None:
    chip = ChipRead("door", Instant(0, "", 0), b"", None, {SUN: UID})
    identity = identify(chip, CardRules())
    assert isinstance(identity, Identity)
    assert (identity.value, identity.scheme, identity.earn_only) == ("04DE5F1EACC040", "sun", False)
