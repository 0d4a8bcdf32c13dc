"""Phones on a real pcscd: passes come through the driver, keys stay closed, and without keys nothing is asked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from posd.cards.chip import APPLE_VAS, SMART_TAP, ChipContents, decode_chip
from posd.cards.reads import RejectReason
from posd.cards.wallets import AppleVasConfig, SmartTapConfig
from posd.drivers.base import HealthLevel
from posd.drivers.contract import Session, eventually
from posd.drivers.pcsc import SPEC, PcscConfig
from posd.drivers.simulated_card import loyalty_card, payment_card
from posd.drivers.wallet_keys import open_wallets
from posd.errors import ConfigError, DeviceDenied
from posd.machine import SystemClock
from posd.tables import from_table
from tests.fakes.apple_vas_phone import AppleVasPhone, Pass
from tests.fakes.pcscd import Pcscd, no_card_anywhere, process_pcscd
from tests.fakes.smart_tap_phone import MUST_CHOOSE, PPSE, Habits, SmartTapPhone
from tests.fakes.virtual_card import Slot
from tests.test_drivers_pcsc import ChipRig

KEY = ec.generate_private_key(ec.SECP256R1())
CLUB, COLLECTOR, VALUE = "pass.com.example.club", 20260001, "M-0012345"
PAGE = (Path(__file__).parents[1] / "docs" / "cards.md").read_text("utf-8")


def pem(key: ec.EllipticCurvePrivateKey = KEY, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.PEM, form, NoEncryption())


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(pem())
    path.chmod(0o600)
    return path


@pytest.fixture
def config(key_file: Path) -> PcscConfig:
    return PcscConfig(
        "Virtual PCD*",
        smart_tap=SmartTapConfig(COLLECTOR, 1, str(key_file)),
        apple_vas=AppleVasConfig((CLUB,), str(key_file)),
    )


def google_phone(**habits: bytes) -> SmartTapPhone:
    return SmartTapPhone({COLLECTOR: (1, KEY.public_key())}, VALUE, Habits(**habits))  # type: ignore[arg-type]  # of one type here


def apple_phone() -> AppleVasPhone:
    return AppleVasPhone({CLUB: Pass(VALUE.encode(), KEY.public_key())}, SystemClock().now().wall_ms // 1000)


# --- keys


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize(
    "before", [b"", b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"]
)
def test_a_key_as_openssl_writes_it_is_read(
    config: PcscConfig, key_file: Path, form: PrivateFormat, before: bytes
) -> None:
    key_file.write_bytes(before + pem(form=form))
    wallets = open_wallets(config.smart_tap, config.apple_vas)
    assert wallets.smart_tap is not None
    assert wallets.smart_tap.key.private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o666])
def test_a_key_that_others_may_read_is_refused(config: PcscConfig, key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(DeviceDenied, match=rf"key_file {key_file} is open to others \(mode {mode:04o}\); .*chmod 0640"):
        open_wallets(config.smart_tap, None)
    with pytest.raises(DeviceDenied, match="open to others"):
        open_wallets(None, config.apple_vas)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a key",
        pem()[:-60],
        pem(ec.generate_private_key(ec.SECP384R1())),
        KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
    ],
    ids=["empty", "text", "cut", "other curve", "password"],
)
def test_a_file_that_holds_no_such_key_is_refused_and_not_quoted(
    config: PcscConfig, key_file: Path, content: bytes
) -> None:
    key_file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"no private key on the curve P-256 .*; openssl ecparam") as refused:
        open_wallets(config.smart_tap, None)
    assert refused.value.__cause__ is None
    assert not [line for line in content.decode("latin-1").splitlines() if line and line in str(refused.value)]


def test_a_missing_key_is_told(config: PcscConfig, key_file: Path) -> None:
    key_file.unlink()
    with pytest.raises(ConfigError, match=r"key_file .* is not there"):
        open_wallets(config.smart_tap, None)


def test_the_tables_of_the_docs_are_a_configuration() -> None:
    (reader,) = [
        reader
        for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
        for reader in tomllib.loads(block).get("reader", [])
        if "smart_tap" in reader
    ]
    table = {name: value for name, value in reader.items() if name not in ("id", "driver")}
    config = from_table(PcscConfig, table, "docs")
    assert config.smart_tap is not None
    assert config.apple_vas == AppleVasConfig((CLUB,), "/etc/posd/apple-vas.pem")
    assert (PcscConfig().smart_tap, PcscConfig().apple_vas) == (None, None), "off by default"


# --- on a real pcscd


@pytest.fixture(scope="module")
def pcscd() -> Pcscd:
    return process_pcscd()


@pytest.fixture
def rig(pcscd: Pcscd, config: PcscConfig) -> Iterator[ChipRig]:
    slot = Slot(pcscd.ports[0])
    rig = ChipRig(pcscd, slot, [loyalty_card("0012345")], [])
    rig.config = config
    yield rig
    slot.remove()
    eventually(no_card_anywhere, "noticing that the cards are gone")


@pytest.mark.slow
def test_passes_cards_and_payment_cards_on_one_reader(rig: ChipRig, caplog: pytest.LogCaptureFixture) -> None:
    google, apple = google_phone(), apple_phone()
    with Session(rig) as session:
        rig.slot.insert(google.atr, google)
        assert decode_chip(session.next().payload) == ChipContents(google.atr, None, {SMART_TAP: VALUE.encode()})
        rig.slot.remove()
        rig.slot.insert(apple.atr, apple)
        assert decode_chip(session.next().payload) == ChipContents(apple.atr, None, {APPLE_VAS: VALUE.encode()})
        rig.send(rig.cards)
        assert decode_chip(session.next().payload).contents.keys() == {"loyalty"}
        rig.send([payment_card()])
        assert decode_chip(session.next().payload).refusal is RejectReason.PAYMENT_CARD
        assert [command[5:-1] for command in rig.slot.commands] == [b"OSE.VAS.01", PPSE]
    assert VALUE not in caplog.text
    assert "ECPrivateKey" not in repr(vars(session.driver))


@pytest.mark.slow
def test_a_phone_without_a_pass_is_told_and_asked_nothing_more(rig: ChipRig) -> None:
    empty = google_phone(status=MUST_CHOOSE)
    with Session(rig) as session:
        rig.slot.insert(empty.atr, empty)
        found = decode_chip(session.next().payload)
    assert (found.refusal, "choose a pass" in found.detail) == (RejectReason.EMPTY_PHONE, True)
    assert PPSE not in b"".join(rig.slot.commands)


@pytest.mark.slow
def test_without_the_tables_a_phone_is_asked_what_every_card_is_asked(rig: ChipRig) -> None:
    rig.config = PcscConfig("Virtual PCD*")
    google = google_phone()
    with Session(rig) as session:
        rig.slot.insert(google.atr, google)
        assert decode_chip(session.next().payload).refusal is RejectReason.PAYMENT_CARD
    assert [command[5:19] for command in rig.slot.commands] == [PPSE]


@pytest.mark.slow
def test_a_till_whose_clock_is_wrong_takes_no_apple_pass(rig: ChipRig) -> None:
    apple = apple_phone()
    apple.unix_seconds -= 3600
    with Session(rig) as session:
        rig.slot.insert(apple.atr, apple)
        assert decode_chip(session.next().payload).refusal is RejectReason.NOT_GENUINE


@pytest.mark.slow
def test_health_names_the_key_files_and_what_is_wrong_with_them(rig: ChipRig, key_file: Path) -> None:
    def keys() -> tuple[bool, str]:
        checks = SPEC.check_health("door", rig.config, HealthLevel.INTERNAL)
        (check,) = [check for check in checks if check.name == "keys"]
        return check.ok, check.detail

    assert keys() == (True, f"closed to others: {key_file}, {key_file}")
    key_file.chmod(0o644)
    assert keys() == (False, f"the key_file {key_file} is open to others (mode 0644)")
    with pytest.raises(DeviceDenied):
        rig.open_as_it_is()
