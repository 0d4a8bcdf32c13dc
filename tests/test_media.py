"""Cards of every medium through the real libraries into one running till, from the device node to the booked sale:
python-evdev on fake keyboards, pyserial on a pty, pyscard on a real pcscd with a virtual reader."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from posd.cards.ndef import TEXT, NdefRecord, encode_message
from posd.drivers.key_events import DEAF_NS
from posd.drivers.simulated_card import SimulatedCard, loyalty_card, payment_card, tag
from tests.fakes.input_devices import InputBench, Wedge, link
from tests.fakes.pcscd import Pcscd, no_card_anywhere, process_pcscd
from tests.fakes.register import Listener, Register
from tests.fakes.running_till import RunningTill, clean_environment, wait_for
from tests.fakes.serial_port import SerialPort
from tests.fakes.virtual_card import Slot
from tests.fakes.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

WEDGE, SECOND = 7, 8
KEY_GAP_US = 200
CONFIG = """
[[reader]]
id = "wedge"
driver = "hid_keyboard"
device_class = "msr"
address = "{wedge}"
repeat_ms = 0
[[reader]]
id = "second"
driver = "hid_keyboard"
address = "{second}"
[[reader]]
id = "line"
driver = "serial_line"
address = "{line}"
[[reader]]
id = "chip"
driver = "pcsc"
repeat_ms = 0
"""
"""No duplicate window where a test presents one card twice, faster than any hand."""
READERS = ("wedge", "second", "line", "chip")
BANK_NUMBERS = ("4111111111111111", "6037991234567893", "5105105105105100")
"""Visa, Melli (Iran), Mastercard; all of them invented, with right Luhn digits."""
EXPIRES = "30121010000000000000"
"""Year, month, service code and what a bank puts behind them."""


def ndef_tag(number: str) -> SimulatedCard:
    return tag(message=encode_message([NdefRecord(TEXT, number)]))


class Counter:
    """A till with all its readers, and the hands of the people in front of it."""

    def __init__(self, till: RunningTill, devices: InputBench, line: SerialPort, pcscd: Pcscd, heard: Listener) -> None:
        self.till, self.devices, self.line, self.pcscd, self.heard = till, devices, line, pcscd, heard
        self.slot = Slot(pcscd.ports[0])

    def type(self, text: str) -> None:
        self.devices.type(WEDGE, text, gap_us=KEY_GAP_US)

    def swipe(self, number: str) -> None:
        self.type(f"%B{number}^CLUB/MEMBER?\r;{number}?\r")

    def scan(self, number: str) -> None:
        """A bar code, on the same reader that swipes."""
        self.type(f"{number}\r")

    def scan_on_the_line(self, number: str) -> None:
        self.line.send(f"{number}\r\n".encode())

    def tap(self, card: SimulatedCard) -> None:
        """The card stays until it was heard of."""
        self.slot.insert(card.atr, card)

    def take_away(self) -> None:
        self.slot.remove()
        wait_for(no_card_anywhere, "noticing that the card is gone")

    def hear(self, present: Callable[[], None], kind: str = "card.read") -> dict[str, Any]:
        """Present a card; what the till says about it."""
        before = len(self.heard.of(kind))
        present()
        said: dict[str, Any] = self.heard.wait(kind, before + 1)
        return said

    def hear_tap(self, card: SimulatedCard, kind: str = "card.read") -> dict[str, Any]:
        said = self.hear(lambda: self.tap(card), kind)
        self.take_away()
        return said

    def enrol(self, phone: str, name: str) -> dict[str, Any]:
        """The unknown card on the screen joins, or is added to the account that has this phone."""
        self.till.page.wait_for_screen("enrol")
        view = self.till.page.act("enrol", phone=phone, name=name, consent=True, link=False)
        if view["screen"] == "enrol":
            view = self.till.page.act("enrol", phone=phone, name=name, consent=True, link=True)
        assert view["screen"] == "member", view["enrol"]
        return view

    def sell(self, member_id: str, amount_minor: int, *use: str) -> dict[str, Any]:
        """A sale to the member on the screen; how it was booked."""
        view = self.till.page.wait_for_screen("member")
        assert view["member"]["member_id"] == member_id
        self.till.page.act("amount", amount_minor=amount_minor)
        for unit in use:
            self.till.page.act("use", unit=unit, on=True)
        view = self.till.page.act("confirm")
        assert view["screen"] == "done", view
        done: dict[str, Any] = view["done"]
        return done

    def states(self) -> dict[str, str]:
        readers = self.till.client.get("/v1/readers")["readers"]
        return {reader["id"]: reader["state"] for reader in readers if reader["id"] in READERS}

    def wait_ready(self, *readers: str) -> None:
        wait_for(lambda: all(self.states()[reader] == "ready" for reader in readers), f"{readers} to be ready")
        begun_ns = time.monotonic_ns()
        eventually(lambda: time.monotonic_ns() > begun_ns + 2 * DEAF_NS)

    def clear(self) -> None:
        """Nothing on the counter, nothing on the screen."""
        self.slot.remove()
        while self.till.page.act("back")["screen"] != "idle":
            pass


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    """One till for all tests here: starting three driver families takes longer than most of them."""
    directory = tmp_path_factory.mktemp("media")
    with ExitStack() as parts:
        second = Wedge(SECOND, name="ACME Second Scanner", serial="S2")
        devices = parts.enter_context(InputBench(Wedge(WEDGE, name="ACME Stripe Reader and Scanner"), second))
        devices.plug(WEDGE)
        devices.plug(SECOND)
        line = SerialPort(directory / "scanner")
        parts.callback(line.close)
        pcscd = process_pcscd()
        config = CONFIG.format(wedge=link(WEDGE), second=link(SECOND), line=line.path)
        till = RunningTill(directory, config=config, arguments=("--standalone", "--verbose"))
        preload = {key: os.environ[key] for key in ("LD_PRELOAD", "UMOCKDEV_DIR")}
        till.environment = {**clean_environment(), **preload}
        parts.enter_context(till)
        heard = parts.enter_context(Register(till).listen())
        shop = Counter(till, devices, line, pcscd, heard)
        parts.callback(shop.slot.remove)
        till.wait_online()
        yield shop


@pytest.fixture
def counter(shop: Counter) -> Iterator[Counter]:
    shop.wait_ready(*READERS)
    shop.clear()
    yield shop
    shop.slot.remove()
    wait_for(no_card_anywhere, "noticing that the card is gone")


def test_one_member_on_every_medium(counter: Counter) -> None:
    number = "9800000000012345"
    assert counter.hear(lambda: counter.swipe(number))["known"] is False
    member_id = counter.enrol("09120001234", "پریسا")["member"]["member_id"]
    counter.till.page.act("back")
    cards: list[tuple[str, str, Callable[[], dict[str, Any]]]] = [
        ("wedge", "magstripe", lambda: counter.hear(lambda: counter.swipe(number))),
        ("wedge", "barcode", lambda: counter.hear(lambda: counter.scan(number))),
        ("line", "barcode", lambda: counter.hear(lambda: counter.scan_on_the_line(number))),
        ("chip", "chip", lambda: counter.hear_tap(loyalty_card(number))),
        ("chip", "chip", lambda: counter.hear_tap(ndef_tag(number))),
    ]
    booked = []
    for reader, medium, present in cards:
        said = present()
        assert (said["reader"], said["medium"], said["member_id"]) == (reader, medium, member_id)
        done = counter.sell(member_id, 1_000_000)
        assert done["earned"] == {"PTS": 10, "CREDIT": 10_000}
        sale = counter.till.client.get(f"/v1/sales/{done['sale_id']}")
        assert (sale["member_id"], sale["body"]["medium"]) == (member_id, medium)
        booked.append(done["sale_id"])
    shown = [entry for entry in counter.till.journal() if entry["member"] == member_id]
    assert [(entry["kind"], entry["id"]) for entry in shown[1:]] == [("sale", sale_id) for sale_id in booked]
    assert f"member:{member_id} +10 PTS" in shown[-1]["summary"]


def test_a_bare_uid_collects_and_does_not_spend(counter: Counter) -> None:
    """The UID of a chip can be copied by anybody; with the member's own number on it, the same chip may spend."""
    number, uid = "9800000000054321", bytes.fromhex("04C1D2E3F4A580")
    counter.hear(lambda: counter.swipe(number))
    member_id = counter.enrol("09120005678", "کاوه")["member"]["member_id"]
    counter.sell(member_id, 50_000_000)
    counter.till.page.act("back")
    assert counter.hear_tap(tag(uid))["known"] is False
    linked = counter.enrol("09120005678", "کاوه")
    assert linked["member"]["member_id"] == member_id
    counter.till.page.act("back")

    counter.hear_tap(tag(uid))
    view = counter.till.page.wait_for_screen("member")
    assert view["member"]["earn_only"] is True
    assert {item["unit"]: item["usable"] for item in view["member"]["balances"]} == {"PTS": 0, "CREDIT": 0}
    done = counter.sell(member_id, 1_000_000, "CREDIT")
    assert (done["payable_minor"], done["spent"], done["earned"]["PTS"]) == (1_000_000, {}, 10)

    counter.hear_tap(ndef_tag(number))
    assert counter.till.page.wait_for_screen("member")["member"]["earn_only"] is False
    done = counter.sell(member_id, 1_000_000, "CREDIT")
    assert done["spent"]["CREDIT"] > 0, "positive control: this card does spend"


def test_a_wedge_that_is_pulled_out_comes_back_by_itself(counter: Counter) -> None:
    counter.devices.unplug(WEDGE)
    view = counter.till.page.wait_for_screen("lost")
    assert (view["lost"]["reader"], view["lost"]["device_class"]) == ("wedge", "msr")
    wait_for(lambda: counter.states()["wedge"] == "absent", "the wedge to be missed")
    assert counter.states() == {"wedge": "absent", "second": "ready", "line": "ready", "chip": "ready"}
    assert counter.hear(lambda: counter.scan_on_the_line("9800000000100001"))["reader"] == "line"
    assert counter.hear_tap(loyalty_card("9800000000100002"))["tail"] == "0002"
    counter.devices.plug(WEDGE)
    view = counter.till.page.wait_for_screen("enrol")
    assert view["enrol"]["tail"] == "0002", "what was read meanwhile stands behind the page that went"
    counter.wait_ready("wedge")
    assert counter.hear(lambda: counter.swipe("9800000000100003"))["tail"] == "0003"


def test_a_serial_line_that_is_pulled_out_comes_back_by_itself(counter: Counter) -> None:
    counter.line.unplug()
    assert counter.till.page.wait_for_screen("lost")["lost"]["reader"] == "line"
    assert counter.hear(lambda: counter.swipe("9800000000200001"))["reader"] == "wedge"
    counter.line.plug()
    counter.wait_ready("line")
    counter.till.page.wait_for_screen("enrol")
    assert counter.hear(lambda: counter.scan_on_the_line("9800000000200002"))["tail"] == "0002"


def test_pcscd_is_killed_and_started_again(counter: Counter) -> None:
    counter.pcscd.kill()
    assert counter.till.page.wait_for_screen("lost")["lost"]["reader"] == "chip"
    assert counter.hear(lambda: counter.scan("9800000000300001"))["reader"] == "wedge"
    assert counter.hear(lambda: counter.scan_on_the_line("9800000000300002"))["reader"] == "line"
    counter.pcscd.start()
    counter.wait_ready("chip")
    counter.till.page.wait_for_screen("enrol")
    assert counter.hear_tap(loyalty_card("9800000000300003"))["tail"] == "0003"


def test_two_scanners_at_once_never_mix(counter: Counter) -> None:
    rounds = 20
    before = len(counter.heard.of("card.read"))
    for n in range(rounds):
        counter.devices.weave({WEDGE: f"98111111{n:08}\r", SECOND: f"98222222{n:08}\r"})
    counter.heard.wait("card.read", before + 2 * rounds)
    reads = counter.heard.of("card.read")[before:]
    for reader in ("wedge", "second"):
        assert [read["tail"] for read in reads if read["reader"] == reader] == [f"{n:04}" for n in range(rounds)]
    assert not [data for data in counter.heard.of("card.refused") if data["reader"] == "second"]


def bank_cards(counter: Counter) -> Iterator[tuple[str, str, Callable[[], dict[str, Any]]]]:
    """Reader, medium, and a payment card presented there; its answer is what the till says about it."""

    def refused(present: Callable[[str], None], text: str) -> Callable[[], dict[str, Any]]:
        return lambda: counter.hear(lambda: present(text), "card.refused")

    for number in BANK_NUMBERS:
        yield "wedge", "magstripe", refused(counter.type, f"%B{number}^A/B^{EXPIRES}?\r;{number}={EXPIRES}?\r")
        yield "wedge", "barcode", refused(counter.scan, number)
        yield "line", "barcode", refused(counter.scan_on_the_line, number)
    for card in (payment_card(), loyalty_card(BANK_NUMBERS[0]), ndef_tag(BANK_NUMBERS[1])):
        yield "chip", "chip", lambda card=card: counter.hear_tap(card, "card.refused")  # type: ignore[misc]  # a bound default


def test_a_payment_card_is_refused_on_every_medium_and_leaves_no_digit(counter: Counter) -> None:
    for reader, medium, present in bank_cards(counter):
        assert present() == {"reader": reader, "medium": medium, "reason": "refused.payment"}
        view = counter.till.page.wait_for_screen("bank")
        assert (view["member"], view["amount_minor"]) == (None, None)
        counter.clear()
    counter.till.page.act("amount", amount_minor=500_000)
    for _, _, present in bank_cards(counter):
        counter.till.page.act("amount", amount_minor=500_000)
        present()
        wait_for(lambda: counter.till.page.view()["notice"] is not None, "the notice")
        view = counter.till.page.view()
        assert (view["screen"], view["amount_minor"]) == ("amount", 500_000), "a sale is not disturbed"
        assert (view["notice"]["words"]["key"], view["notice"]["tone"]) == ("card.refused.payment", "stop")
    assert counter.till.page.act("confirm")["screen"] == "done"
    assert traces(counter, "refused.payment"), "positive control: the search does find things"
    for number in BANK_NUMBERS:
        for part in (number, number[:8], number[-7:]):
            assert not traces(counter, part), "a payment card left something"


def traces(counter: Counter, text: str) -> list[str]:
    """Where ``text`` stands of all that the till said or kept, in any form that would be found in a file."""
    till = counter.till
    kept = {str(path): path.read_bytes() for path in till.state_dir.rglob("*") if path.is_file()}
    said = {
        "output": "".join(till.output),
        "events": str(counter.heard.events),
        "metrics": till.client.text("/metrics"),
        "status": str(till.client.get("/v1/status")),
        "view": str(till.page.view()),
        "ledger": str(till.journal()),
    }
    forms = {text.encode(), text.encode().hex().encode(), text.encode("utf-16-le")}
    if re.fullmatch(r"(\d\d)+", text):
        forms.add(bytes.fromhex(text))
    everything = {**kept, **{name: value.encode() for name, value in said.items()}}
    return [name for name, content in everything.items() if any(form in content for form in forms)]
