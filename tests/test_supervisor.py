"""The supervisor: real drivers on fake devices that come, go, are busy, crash and hang."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise, product
from pathlib import Path
from queue import Empty, Queue

import evdev
import pytest
import serial

from posd.cards.chip import decode_chip
from posd.drivers import reader_thread, simulated
from posd.drivers.base import Health, HealthLevel, ReaderConfig
from posd.drivers.contract import eventually, open_files
from posd.drivers.hotplug import HotPlug, NoHotPlug, UdevHotPlug
from posd.drivers.key_events import DEAF_NS
from posd.drivers.lifecycle import Outcome, next_state
from posd.drivers.read_filter import SAME_AGAIN, ReadOptions
from posd.drivers.reader_thread import NOT_YET
from posd.drivers.simulated_card import loyalty_card
from posd.drivers.supervisor import Supervisor
from posd.drivers.transcript import TRAFFIC, parse_line
from posd.errors import ConfigError
from posd.events import DeviceState, DeviceStatus, RawRead
from posd.machine import SystemClock
from tests.fakes.input_devices import InputBench, Wedge, link, node
from tests.fakes.pcscd import process_pcscd
from tests.fakes.plugin import install
from tests.fakes.serial_port import SerialPort
from tests.fakes.virtual_card import Slot

NUMBER = "6331940000012345"
SCANNER, STRIPE = 7, 8

Inbox = Queue[RawRead | DeviceStatus]


class Till:
    """What stands behind the inbox: takes everything and sorts it."""

    def __init__(self, supervisor: Supervisor, inbox: Inbox) -> None:
        self.supervisor, self.inbox = supervisor, inbox
        self.told: list[DeviceStatus] = []

    def state(self, reader_id: str) -> DeviceState | None:
        """None before the first look."""
        (status,) = [status for status in self.supervisor.statuses() if status.device == reader_id]
        return None if status.detail == NOT_YET else status.state

    def wait_for(self, reader_id: str, state: DeviceState) -> None:
        eventually(lambda: self.state(reader_id) is state, f"{reader_id} becoming {state}")

    def next_read(self, within_s: float = 5) -> RawRead:
        while True:
            try:
                item = self.inbox.get(timeout=within_s)
            except Empty:
                pytest.fail("no read came")
            if isinstance(item, RawRead):
                return item
            self.told.append(item)

    def states_told(self, reader_id: str) -> list[DeviceState]:
        while not self.inbox.empty():
            item = self.inbox.get()
            if isinstance(item, DeviceStatus):
                self.told.append(item)
        return [status.state for status in self.told if status.device == reader_id]


@contextmanager
def till(*readers: ReaderConfig, hotplug: HotPlug | None = None, room: int = 256) -> Iterator[Till]:
    inbox: Inbox = Queue(room)
    supervisor = Supervisor(readers, SystemClock(), inbox, hotplug or NoHotPlug())
    threads = set(threading.enumerate())
    supervisor.start()
    try:
        yield Till(supervisor, inbox)
    finally:
        stuck = supervisor.stop()
    assert stuck == []
    assert set(threading.enumerate()) <= threads


def reader(reader_id: str, driver: str, **options: object) -> ReaderConfig:
    return ReaderConfig(reader_id, driver, reader_id.title(), None, options)


@pytest.fixture
def bench() -> Iterator[InputBench]:
    with InputBench(Wedge(SCANNER), Wedge(STRIPE, serial="M77")) as bench:
        yield bench


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


READY, ABSENT, OPENING, LOST, WAITING, FAULT = (
    DeviceState.READY,
    DeviceState.ABSENT,
    DeviceState.OPENING,
    DeviceState.LOST,
    DeviceState.WAITING,
    DeviceState.FAULT,
)


@pytest.mark.parametrize("state", list(DeviceState))
def test_the_life_cycle_is_total_and_as_drawn(state: DeviceState) -> None:
    after = {outcome: next_state(state, outcome) for outcome in Outcome}
    assert after[Outcome.MISSING] is ABSENT
    assert after[Outcome.FOUND] is OPENING
    assert after[Outcome.OPENED] is READY
    assert after[Outcome.GONE] is (LOST if state is READY else WAITING)
    assert after[Outcome.RELEASED] is (WAITING if state is LOST else state)
    assert after[Outcome.REFUSED] is FAULT


@pytest.mark.complaint(12)
def test_a_till_starts_with_whatever_is_there(tmp_path: Path) -> None:
    readers = [
        reader("desk", "serial_line", address=str(tmp_path / "scanner")),
        reader("stripe", "hid_keyboard", address="/dev/input/by-path/nothing"),
        reader("paper", "simulated", kind="scan"),
    ]
    with till(*readers) as shop:
        shop.wait_for("paper", READY)
        shop.wait_for("desk", ABSENT)
        shop.wait_for("stripe", ABSENT)
        simulated.feed("paper", NUMBER)
        assert shop.next_read().payload == NUMBER.encode()
        port = SerialPort(tmp_path / "scanner")
        shop.wait_for("desk", READY)
        port.send(f"{NUMBER}\r".encode())
        assert shop.next_read().device == "desk"
        port.unplug()
        shop.wait_for("desk", ABSENT)
        assert shop.states_told("desk") == [ABSENT, OPENING, READY, LOST, WAITING, ABSENT]
        assert shop.states_told("stripe") == [ABSENT], "told once, however often it is looked for"


PRESENCE = list(product((True, False), repeat=3))


@pytest.mark.parametrize("there", PRESENCE, ids=["".join("-+"[here] for here in there) for there in PRESENCE])
def test_a_till_starts_with_any_part_of_its_readers(
    there: tuple[bool, bool, bool], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("left", "middle", "right")
    readers = [reader(name, "serial_line", address=str(tmp_path / name)) for name in names]
    ports = {name: SerialPort(tmp_path / name) for name, here in zip(names, there, strict=True) if here}
    with caplog.at_level(logging.INFO), till(*readers) as shop:
        for name in names:
            shop.wait_for(name, READY if name in ports else ABSENT)
        for name, port in ports.items():
            port.send(f"{NUMBER}\r".encode())
            assert shop.next_read().device == name
    for name in names:
        lines = [line for line in caplog.messages if line.startswith(f"reader {name} is absent")]
        assert len(lines) == (name not in ports), "an absent reader is told of once"
    for port in ports.values():
        port.close()


@pytest.mark.complaint(12)
def test_an_absent_reader_floods_neither_log_nor_inbox(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_thread, "LONGEST_WAIT_S", 0.01)
    looked = []
    monkeypatch.setattr(Path, "exists", lambda path: looked.append(path) if path.name == "no-scanner" else True)
    with caplog.at_level(logging.INFO), till(reader("desk", "serial_line", address="/dev/no-scanner")) as shop:
        eventually(lambda: len(looked) > 20, "looking twenty times")
        assert shop.states_told("desk") == [ABSENT]
    assert len([line for line in caplog.messages if "desk" in line]) == 1


def test_a_reader_that_cannot_be_opened_is_tried_ever_more_rarely(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_thread, "FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(reader_thread, "JITTER_S", 0.01)
    install(
        site,
        "flaps",
        "import time\nfrom posd.errors import DeviceLost\ntries = []\n"
        "def open(*_):\n    tries.append(time.monotonic())\n    raise DeviceLost('no')\n"
        "SPEC = spec('flaps', open=open)",
    )
    with till(reader("desk", "flaps")) as shop:
        shop.wait_for("desk", WAITING)
        tries = sys.modules["flaps"].tries
        eventually(lambda: len(tries) == 4, "four tries")
        waits = [later - earlier for earlier, later in pairwise(tries)]
    assert all(wait >= least for wait, least in zip(waits, (0.05, 0.1, 0.2), strict=True))


@pytest.mark.complaint(13)
def test_udev_tells_what_was_plugged_in(bench: InputBench) -> None:
    with till(reader("desk", "hid_keyboard", address=link(SCANNER)), hotplug=UdevHotPlug()) as shop:
        shop.wait_for("desk", ABSENT)
        for _ in range(3):
            bench.plug(SCANNER)
            shop.wait_for("desk", READY)
            _after_deaf_time()
            bench.type(SCANNER, f"{NUMBER}\r", gap_us=20)
            assert shop.next_read().payload == NUMBER.encode()
            bench.unplug(SCANNER)
            shop.wait_for("desk", ABSENT)


def _after_deaf_time() -> None:
    threading.Event().wait(2 * DEAF_NS / 1e9)


@pytest.mark.slow
@pytest.mark.complaint(13)
def test_a_thousand_times_plugged_in_leave_nothing_behind(bench: InputBench) -> None:
    with till(reader("desk", "hid_keyboard", address=link(SCANNER)), hotplug=UdevHotPlug()) as shop:
        bench.plug(SCANNER)
        shop.wait_for("desk", READY)
        threads, files = set(threading.enumerate()), open_files()
        for _ in range(1000):
            bench.unplug(SCANNER)
            shop.wait_for("desk", ABSENT)
            bench.plug(SCANNER)
            shop.wait_for("desk", READY)
            shop.states_told("desk")
        assert set(threading.enumerate()) == threads
        assert open_files() <= files
        _after_deaf_time()
        bench.type(SCANNER, f"{NUMBER}\r", gap_us=20)
        assert shop.next_read().payload == NUMBER.encode()


@pytest.mark.complaint(11)
def test_two_wedges_of_one_make_stay_at_their_ports() -> None:
    """Without serial numbers, plugged in again in the other order, under numbers that changed."""
    readers = [reader(port, "hid_keyboard", address=f"/dev/{port}") for port in ("left", "right")]
    twins = [Wedge(SCANNER, serial=""), Wedge(STRIPE, serial="")]
    with InputBench(*twins) as bench, till(*readers, hotplug=UdevHotPlug()) as shop:
        left, right = (Path(bench.root) / "dev" / port for port in ("left", "right"))
        for at_left, at_right in ((SCANNER, STRIPE), (STRIPE, SCANNER)):
            left.symlink_to(f"input/event{at_left}")
            right.symlink_to(f"input/event{at_right}")
            for number in (STRIPE, SCANNER):
                bench.plug(number)
            shop.wait_for("left", READY)
            shop.wait_for("right", READY)
            _after_deaf_time()
            for number, port in ((at_left, "left"), (at_right, "right")):
                bench.type(number, f"{NUMBER}\r", gap_us=20)
                assert shop.next_read().device == port
            left.unlink()
            right.unlink()
            bench.unplug(SCANNER)
            bench.unplug(STRIPE)
            shop.wait_for("left", ABSENT)
            shop.wait_for("right", ABSENT)


def test_the_readers_of_one_till_do_not_mix(bench: InputBench) -> None:
    bench.plug(SCANNER)
    bench.plug(STRIPE)
    readers = [
        reader("left", "hid_keyboard", address=link(SCANNER)),
        reader("right", "hid_keyboard", address=link(STRIPE)),
    ]
    with till(*readers, hotplug=UdevHotPlug()) as shop:
        shop.wait_for("left", READY)
        shop.wait_for("right", READY)
        _after_deaf_time()
        got: dict[str, list[bytes]] = {"left": [], "right": []}
        for n in range(30):
            bench.type(SCANNER, f"1{n:012}\r", gap_us=20)
            bench.type(STRIPE, f"2{n:012}\r", gap_us=20)
        for _ in range(60):
            read = shop.next_read()
            got[read.device].append(read.payload)
        assert got["left"] == [f"1{n:012}".encode() for n in range(30)]
        assert got["right"] == [f"2{n:012}".encode() for n in range(30)]


@pytest.mark.complaint(21)
def test_pcscd_killed_and_started_again(caplog: pytest.LogCaptureFixture) -> None:
    pcscd = process_pcscd()
    slot = Slot(pcscd.ports[0])
    card = loyalty_card(NUMBER)
    with caplog.at_level(logging.INFO), till(reader("door", "pcsc")) as shop:
        shop.wait_for("door", READY)
        pcscd.kill()
        shop.wait_for("door", WAITING)
        pcscd.start()
        shop.wait_for("door", READY)
        slot.insert(card.atr, card)
        assert NUMBER.encode() in decode_chip(shop.next_read().payload).contents["loyalty"]
        assert shop.states_told("door") == [OPENING, READY, LOST, WAITING, READY]
        slot.remove()
    assert NUMBER not in caplog.text


@pytest.mark.slow
@pytest.mark.complaint(21)
def test_pcscd_started_again_twenty_times_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_thread, "LONGEST_WAIT_S", 0.05)
    pcscd = process_pcscd()
    slot = Slot(pcscd.ports[0])
    card = loyalty_card(NUMBER)
    with till(reader("door", "pcsc")) as shop:
        shop.wait_for("door", READY)
        threads, files = set(threading.enumerate()), open_files()
        for _ in range(20):
            pcscd.kill()
            shop.wait_for("door", WAITING)
            pcscd.start()
            shop.wait_for("door", READY)
            shop.states_told("door")
        assert set(threading.enumerate()) == threads
        eventually(lambda: open_files() <= files, "closing every file")
        slot.insert(card.atr, card)
        assert NUMBER.encode() in decode_chip(shop.next_read().payload).contents["loyalty"]
        slot.remove()


def test_a_reader_without_permission_is_a_fault_with_a_fix(site: Path) -> None:
    install(
        site,
        "denied",
        "import errno\nfrom posd.drivers.refusal import from_os\n"
        "def open(*_):\n    raise from_os(PermissionError(errno.EACCES, 'no'), '/dev/x')\n"
        "SPEC = spec('denied', open=open)",
    )
    with till(reader("desk", "denied")) as shop:
        shop.wait_for("desk", FAULT)
        check = shop.supervisor.check("desk", HealthLevel.INTERNAL).checks[0]
        assert (check.ok, check.detail) == (False, "fault: no permission for /dev/x")
        assert "udevadm trigger" in check.fix


def test_a_reader_in_use_is_a_fault_with_a_way_out_and_comes_back(tmp_path: Path) -> None:
    port = SerialPort(tmp_path / "scanner")
    holder = serial.Serial(str(port.path), exclusive=True)
    with till(reader("desk", "serial_line", address=str(port.path))) as shop:
        shop.wait_for("desk", FAULT)
        (status,) = shop.supervisor.statuses()
        assert "fuser" in status.detail
        checks = shop.supervisor.check("desk", HealthLevel.EXTERNAL).checks
        assert [check.ok for check in checks] == [False, True, True, False]
        assert "fuser" in checks[0].fix
        holder.close()
        shop.wait_for("desk", READY)
        assert shop.states_told("desk") == [OPENING, FAULT, READY], "further tries are no news"
    port.close()


@pytest.mark.complaint(6)
def test_a_grabbed_scanner_is_a_fault_too(bench: InputBench) -> None:
    bench.plug(SCANNER)
    holder = evdev.InputDevice(node(SCANNER))
    holder.grab()
    with till(reader("desk", "hid_keyboard", address=link(SCANNER)), hotplug=UdevHotPlug()) as shop:
        shop.wait_for("desk", FAULT)
        holder.close()
        shop.wait_for("desk", READY)


HANGS = """
import threading
let_go = threading.Event()
class Hanging(Quiet):
    def read(self):
        let_go.wait()
        raise ValueError
SPEC = spec("hangs", open=Hanging)
"""

CRASHES = {
    "import": f"raise RuntimeError('{NUMBER}')",
    "present": f"def present(config): raise ValueError('{NUMBER}')\nSPEC = spec('present', present=present)",
    "open": f"def open(*_): raise ValueError('{NUMBER}')\nSPEC = spec('open', open=open)",
    "read": f"class D(Quiet):\n    def read(self): raise KeyError('{NUMBER}')\nSPEC = spec('read', open=D)",
    "exit": "class D(Quiet):\n    def read(self): raise SystemExit\nSPEC = spec('exit', open=D)",
    "nonsense": f"class D(Quiet):\n    def read(self): return '{NUMBER}'\nSPEC = spec('nonsense', open=D)",
    "close": "class D(Quiet):\n    def close(self): 1 / 0\n    def read(self): return 1\nSPEC = spec('close', open=D)",
}


@pytest.mark.parametrize("where", list(CRASHES))
def test_a_plug_in_that_crashes_is_a_fault_of_its_own_reader(
    site: Path, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    name = f"crash_{where}"
    install(site, name, CRASHES[where])
    with caplog.at_level(logging.NOTSET), till(reader("bad", name), reader("good", "simulated", kind="scan")) as shop:
        shop.wait_for("bad", FAULT)
        shop.wait_for("good", READY)
        simulated.feed("good", "12345678")
        assert shop.next_read().payload == b"12345678"
        (bad, _) = shop.supervisor.statuses()
        assert name in bad.detail
        assert shop.supervisor.check("bad", HealthLevel.INTERNAL).checks[0].ok is False
    assert NUMBER not in caplog.text
    assert NUMBER not in bad.detail


def test_a_cancel_that_crashes_does_not_stop_the_others_from_stopping(site: Path) -> None:
    install(
        site, "crash_cancel", "class D(Quiet):\n    def cancel(self): super().cancel(); 1 / 0\nSPEC = spec('c', open=D)"
    )
    with till(reader("bad", "crash_cancel"), reader("good", "simulated", kind="scan")) as shop:
        shop.wait_for("bad", READY)
        shop.wait_for("good", READY)


def test_a_driver_that_hangs_is_named_when_the_till_stops(site: Path) -> None:
    install(site, "hangs", HANGS)
    inbox: Inbox = Queue(16)
    readers = [reader("stuck", "hangs"), reader("good", "simulated", kind="scan")]
    supervisor = Supervisor(readers, SystemClock(), inbox, NoHotPlug())
    supervisor.start()
    shop = Till(supervisor, inbox)
    shop.wait_for("stuck", READY)
    assert supervisor.stop(timeout_s=0.2) == ["stuck"]
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "reader stuck"]
    sys.modules["hangs"].let_go.set()
    thread.join(5)
    assert not thread.is_alive()


def test_a_full_inbox_drops_statuses_and_keeps_reads(tmp_path: Path) -> None:
    with till(reader("paper", "simulated", kind="scan"), room=1) as shop:
        shop.wait_for("paper", READY)
        eventually(lambda: shop.supervisor.dropped_statuses == 1, "dropping READY behind OPENING")
        for n in range(5):
            simulated.feed("paper", f"{n:08}")
        assert [shop.next_read().payload for _ in range(5)] == [f"{n:08}".encode() for n in range(5)]
        assert shop.state("paper") is READY, "the newest status can be asked for all the same"


def test_stopping_with_a_full_inbox(tmp_path: Path) -> None:
    with till(reader("paper", "simulated", kind="scan"), room=1) as shop:
        shop.wait_for("paper", READY)
        simulated.feed("paper", "12345678")


def test_a_wrong_option_is_a_fault_that_names_the_right_one(tmp_path: Path) -> None:
    with till(reader("desk", "serial_line", adress="/dev/x"), reader("two", "serial_lin", address="/dev/x")) as shop:
        shop.wait_for("desk", FAULT)
        shop.wait_for("two", FAULT)
        desk, two = shop.supervisor.statuses()
        assert "did you mean 'address'" in desk.detail
        assert "did you mean 'serial_line'" in two.detail
        (check,) = shop.supervisor.check("desk", HealthLevel.INTERACTIVE).checks
        assert not check.ok


@pytest.mark.complaint(23)
def test_checking_a_reader_that_works(tmp_path: Path) -> None:
    port = SerialPort(tmp_path / "scanner")
    with till(reader("desk", "serial_line", address=str(port.path))) as shop:
        shop.wait_for("desk", READY)
        checks = shop.supervisor.check("desk", HealthLevel.EXTERNAL).checks
        assert all(check.ok for check in checks)
        assert "nothing was read" in checks[0].detail
        assert shop.supervisor.last_read_age_s("desk") is None
        port.send(b"12345678\r")
        shop.next_read()
        assert shop.supervisor.last_read_age_s("desk") == 0
        assert "last read" in shop.supervisor.check("desk", HealthLevel.INTERNAL).checks[0].detail
        with pytest.raises(ConfigError, match="'desk'"):
            shop.supervisor.check("dask", HealthLevel.INTERNAL)
    port.close()


@pytest.mark.complaint(19)
def test_what_bounces_reaches_the_till_once_and_the_rest_as_noise(tmp_path: Path) -> None:
    port = SerialPort(tmp_path / "scanner")
    desk = ReaderConfig("desk", "serial_line", "Desk", None, {"address": str(port.path)}, ReadOptions(strip_suffix="#"))
    with till(desk) as shop:
        shop.wait_for("desk", READY)
        port.send(f"{NUMBER}#\r{NUMBER}#\r12345678#\r".encode())
        reads = [shop.next_read() for _ in range(3)]
    assert [(read.payload, read.flaw) for read in reads] == [
        (NUMBER.encode(), None),
        (b"", SAME_AGAIN),
        (b"12345678", None),
    ]
    port.close()


def test_an_interactive_check_takes_the_next_read_for_itself() -> None:
    with till(reader("paper", "simulated", kind="scan")) as shop:
        shop.wait_for("paper", READY)
        assert not shop.supervisor.check("paper", HealthLevel.INTERACTIVE, patience_s=0.05).checks[-1].ok
        results: list[Health] = []
        checking = threading.Thread(
            target=lambda: results.extend(shop.supervisor.check("paper", HealthLevel.INTERACTIVE).checks)
        )
        checking.start()
        while checking.is_alive():  # until the check listens, reads go to the till
            simulated.feed("paper", NUMBER)
            checking.join(0.02)
        assert results[-1].ok
        assert NUMBER not in str(results)
        shop.states_told("paper")
        simulated.feed("paper", "12345678")
        while (read := shop.next_read()).payload != b"12345678":
            assert read.payload == NUMBER.encode()


def test_the_traffic_log_is_a_transcript_and_masked(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(TRAFFIC, logger="posd.drivers"), till(reader("paper", "simulated", kind="swipe")) as shop:
        shop.wait_for("paper", READY)
        simulated.feed("paper", f";{NUMBER}=2512?")
        shop.next_read()
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == TRAFFIC]
    assert NUMBER not in line
    exchange = parse_line(line)
    assert exchange is not None
    assert exchange.payload.endswith(b"=2512?")
