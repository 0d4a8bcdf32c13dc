"""Transcripts: what is recorded replays as the same reads, and holds nothing of a card."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.cards.checks import gs1_ok, luhn_ok
from posd.cards.chip import ChipContents, decode_chip, encode_chip
from posd.cards.loyalty_file import LoyaltyFile, encode_loyalty_file, parse_loyalty_file
from posd.cards.ndef import EXTERNAL, TEXT, URI, NdefRecord, encode_message, parse_message
from posd.cards.reads import RejectReason
from posd.clock import Instant
from posd.drivers import simulated
from posd.drivers.base import Driver, HealthLevel
from posd.drivers.contract import Rig, Session, StreamContract, eventually
from posd.drivers.recording import RecordingDriver
from posd.drivers.replay import SPEC, Replay, ReplayConfig
from posd.drivers.simulated import Kind, SimulatedConfig, SimulatedReader
from posd.drivers.transcript import HEADER, Transcript, parse_line
from posd.errors import ConfigError, DeviceLost, ReadCancelled
from posd.events import DeviceClass, RawRead
from posd.machine import SystemClock

BEGAN = Instant(0, "boot", 0)
NUMBER = "6331940000012345"
LINES = (
    '+0.000 desk msr text ";9000000000001012=2512?"',
    '+0.100 desk scanner text "4006381333931"',
    '+0.200 door smartcard chip {"atr": "3b80800101", "uid": "04000000000001", "contents": {}}',
)


class PipeRig(Rig):
    """A transcript that is written while it is played."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reads = [_payload(line) for line in LINES]
        self.restore()

    def open(self) -> Driver:
        return Replay("desk", ReplayConfig(str(self.path)), SystemClock())

    def pieces(self, n: int) -> Sequence[bytes]:
        return [bytes([byte]) for byte in LINES[n].encode() + b"\n"]

    def send(self, pieces: Sequence[bytes]) -> None:
        os.write(self.pipe, b"".join(pieces))

    def settle(self) -> None:
        pass

    def noise(self) -> None:
        os.write(self.pipe, b"# a comment\n\n" + HEADER.encode() + b"\n")

    def lose(self) -> None:
        os.close(self.pipe)

    def restore(self) -> None:
        self.path.unlink(missing_ok=True)
        os.mkfifo(self.path)
        self.pipe = os.open(self.path, os.O_RDWR)


def _payload(line: str) -> bytes:
    exchange = parse_line(line)
    assert exchange is not None
    return exchange.payload


class TestReplay(StreamContract):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[Rig]:
        rig = PipeRig(tmp_path / "transcript")
        yield rig
        rig.lose()


def play(path: Path, **options: object) -> list[tuple[bytes, str | None]]:
    """All that is in the file."""
    driver = Replay("desk", ReplayConfig(str(path), **options), SystemClock())  # type: ignore[arg-type]
    count = sum(parse_line(line) is not None for line in path.read_text().splitlines())
    reads = [driver.read() for _ in range(count)]
    driver.close()
    return [(read.payload, read.flaw) for read in reads]


def raw(payload: bytes, device_class: DeviceClass = DeviceClass.SCANNER, flaw: str | None = None) -> RawRead:
    return RawRead("desk", device_class, payload, Instant(0, "boot", 1_234_000_000), flaw)


def test_a_recording_replays_as_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    with path.open("w") as file:
        inner = SimulatedReader("till", SimulatedConfig(Kind.SWIPE), SystemClock())
        driver = RecordingDriver(
            inner, "till", DeviceClass.MSR, SystemClock(), lambda line: print(line, file=file), keep=("633194",)
        )
        swipes = [f"%B{NUMBER}^DOE/JANE^2512?;{NUMBER}=2512?", f";{NUMBER}"]
        for swipe in swipes:
            simulated.feed("till", swipe)
        assert driver.read().payload == swipes[0].encode()
        assert driver.read().flaw is not None
        simulated.unplug("till")
        with pytest.raises(DeviceLost):
            driver.read()
        driver.cancel()
        driver.close()
        simulated.plug("till")
    text = path.read_text()
    assert NUMBER not in text
    assert "DOE" not in text
    first, _, last = [line for line in text.splitlines() if not line.startswith("#")]
    exchange = parse_line(first)
    assert exchange is not None
    assert exchange.payload.startswith(b"%B633194")
    assert exchange.payload.endswith(b"=2512?")
    assert last.endswith(" lost")
    replay = Replay("desk", ReplayConfig(str(path)), SystemClock())
    assert replay.read().payload == exchange.payload
    assert (replay.read().flaw or "").startswith("partial")
    with pytest.raises(DeviceLost):
        replay.read()
    replay.close()
    again = Replay("desk", ReplayConfig(str(path)), SystemClock())  # goes on behind the loss: there is nothing more
    with Session_of(again) as session:
        assert session.silent(0.05)


class Session_of(Session):  # noqa: N801  # reads as a word
    """A session over an open driver."""

    def __init__(self, driver: Driver) -> None:
        super().__init__(PlainRig(driver))


class PlainRig(PipeRig):
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def open(self) -> Driver:
        return self._driver


@given(number=st.text("0123456789", min_size=8, max_size=30))
def test_masked_digits_check_the_same_way(number: str) -> None:
    exchange = parse_line(Transcript(BEGAN).read(raw(number.encode())))
    assert exchange is not None
    if exchange.flaw == RejectReason.PAYMENT_CARD:
        return
    masked = exchange.payload.decode()
    assert len(masked) == len(number)
    assert (luhn_ok(masked), gs1_ok(masked)) == (luhn_ok(number), gs1_ok(number))


@given(number=st.text("012345678", min_size=1, max_size=7))
def test_short_numbers_are_masked_whole(number: str) -> None:
    assert number not in Transcript(BEGAN).read(raw(number.encode())).partition("text")[2]


def test_a_masked_loyalty_file_is_whole_and_a_uid_becomes_a_counter() -> None:
    uid = bytes.fromhex("04a2b3c4d5e680")
    file = encode_loyalty_file(LoyaltyFile("SHOP", NUMBER))
    chip = ChipContents(b"\x3b\x80", uid, {"loyalty": file})
    transcript = Transcript(BEGAN)
    line = transcript.read(raw(encode_chip(chip), DeviceClass.SMARTCARD))
    assert transcript.read(raw(encode_chip(chip), DeviceClass.SMARTCARD)) == line, "the same card looks the same"
    assert NUMBER.encode().hex() not in line
    assert uid.hex() not in line
    exchange = parse_line(line)
    assert exchange is not None
    replayed = decode_chip(exchange.payload)
    masked = parse_loyalty_file(replayed.contents["loyalty"])
    assert isinstance(masked, LoyaltyFile)
    assert (masked.issuer, len(masked.number), masked.number != NUMBER) == ("SHOP", len(NUMBER), True)
    assert replayed.uid == bytes.fromhex("04000000000001")


def masked_content(name: str, data: bytes) -> bytes:
    line = Transcript(BEGAN).read(
        raw(encode_chip(ChipContents(b"\x3b\x80", None, {name: data})), DeviceClass.SMARTCARD)
    )
    exchange = parse_line(line)
    assert exchange is not None
    return decode_chip(exchange.payload).contents[name]


def test_contents_of_no_known_form_are_not_shown() -> None:
    assert masked_content("purse", b"\x12\x34Jane") == bytes(6)
    assert masked_content("loyalty", bytes(range(0x80, 0x90))) == bytes(16)
    assert masked_content("ndef", b"no message") == bytes(10)
    assert masked_content("sun", bytes.fromhex("04a2b3c4d5e680")) == bytes.fromhex("04000000000001")


def test_texts_of_chips_keep_their_form_and_lose_numbers_and_names() -> None:
    shown = masked_content("loyalty", f"M{NUMBER} Jane Doe\0\0".encode())
    assert (shown[:2], shown[17:]) == (b"M9", b" XXXX XXX\0\0")
    assert NUMBER.encode() not in shown
    assert masked_content("desfire", NUMBER.encode())[:1] == b"9"
    records = [
        NdefRecord(URI, f"https://shop.example/8018/{NUMBER}?uid=04A2B3C4D5E680"),
        NdefRecord(TEXT, "Jane AB12CD34"),
        NdefRecord(f"{EXTERNAL}shop.example:card", NUMBER),
    ]
    uri, text, card = parse_message(masked_content("ndef", encode_message(records)))
    assert uri.text is not None and uri.text.startswith("https://shop.example/8018/9")
    assert uri.text.endswith("?uid=99A9B9C9D9E999")
    assert (text.text, card.type) == ("XXXX AB99CD99", f"{EXTERNAL}shop.example:card")
    assert card.text is not None and card.text.startswith("9") and card.text != NUMBER


@pytest.mark.fuzz
@given(name=st.sampled_from(["loyalty", "ndef", "sun", "desfire", "other"]), data=st.binary(min_size=1))
def test_every_content_has_a_line(name: str, data: bytes) -> None:
    payload = encode_chip(ChipContents(b"\x3b\x80", None, {name: data}))
    exchange = parse_line(Transcript(BEGAN).read(raw(payload, DeviceClass.SMARTCARD)))
    assert exchange is not None
    shown = decode_chip(exchange.payload)
    assert shown.refusal is RejectReason.PAYMENT_CARD or name in shown.contents


@pytest.mark.fuzz
@given(text=st.text() | st.text("]A0;%=?^9", max_size=60))
def test_every_text_has_a_line_of_the_same_length(text: str) -> None:
    exchange = parse_line(Transcript(BEGAN).read(raw(text.encode("utf-8", "replace"))))
    assert exchange is not None
    assert exchange.flaw is not None or len(exchange.payload.decode()) == len(text)


@pytest.mark.parametrize(
    ("scan", "shown"),
    [
        ("]E04006381333931", "]E0900000000"),
        ("]C0AB12CD34", "]C0AB99CD99"),
        ("]Q1MEMBER-7", "]Q1MEMBER-7"),
        ("]A0" * 2000, "]A0]A0"),
    ],
)
def test_the_aim_identifier_and_letters_stay(scan: str, shown: str) -> None:
    exchange = parse_line(Transcript(BEGAN).read(raw(scan.encode())))
    assert exchange is not None
    assert exchange.payload.decode().startswith(shown)
    assert len(exchange.payload) == len(scan)


def test_a_refused_payment_card_and_a_strangers_payload_have_lines_too() -> None:
    refused = encode_chip(ChipContents(refusal=RejectReason.PAYMENT_CARD))
    exchange = parse_line(Transcript(BEGAN).read(raw(refused, DeviceClass.SMARTCARD)))
    assert exchange is not None
    assert exchange.payload == refused
    exchange = parse_line(Transcript(BEGAN).read(raw(NUMBER.encode(), DeviceClass.SMARTCARD)))
    assert exchange is not None
    assert exchange.flaw == "unreadable"


def test_one_reader_of_several_can_be_played(tmp_path: Path) -> None:
    path = tmp_path / "two"
    path.write_text("\n".join(LINES))
    driver = Replay("x", ReplayConfig(str(path), reader="door"), SystemClock())
    assert driver.read().device_class is DeviceClass.SMARTCARD
    driver.close()
    assert [payload for payload, _ in play(path)] == [_payload(line) for line in LINES]


def test_a_paced_replay_can_be_stopped_in_a_pause(tmp_path: Path) -> None:
    path = tmp_path / "slow"
    path.write_text('+0.000 a scanner text "1"\n+3600.000 a scanner text "2"\n')
    with Session_of(Replay("x", ReplayConfig(str(path), paced=True), SystemClock())) as session:
        assert session.next().payload == b"1"
        assert session.silent(0.05)
        session.driver.cancel()
        with pytest.raises(ReadCancelled):
            session.next()


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "+1 desk msr text",
        "+0.000 desk msr text 5",
        '+0.000 d smartcard chip {"atr": "zz"}',
        "+0.000 d x lost",
    ],
)
def test_a_line_that_is_none_is_named_with_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "broken"
    path.write_text(f"{HEADER}\n{line}\n")
    driver = Replay("x", ReplayConfig(str(path)), SystemClock())
    with pytest.raises(ConfigError, match="line 2"):
        driver.read()
    driver.close()
    (check,) = SPEC.check_health("x", ReplayConfig(str(path)), HealthLevel.INTERNAL)
    assert not check.ok


def test_health_counts_the_reads(tmp_path: Path) -> None:
    path = tmp_path / "good"
    (check,) = SPEC.check_health("x", ReplayConfig(str(path)), HealthLevel.INTERNAL)
    assert not check.ok
    path.write_text("\n".join(LINES))
    (check,) = SPEC.check_health("x", ReplayConfig(str(path)), HealthLevel.INTERNAL)
    assert (check.ok, check.detail) == (True, "3 recorded reads")
    eventually(lambda: SPEC.present(ReplayConfig(str(path))), "being there")
