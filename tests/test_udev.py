"""The files of udev/: made from the table of known devices, true to real udev, and harmless to every other device."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from posd.drivers.known_devices import known_devices
from scripts.make_udev import FILES, UDEV, hwdb
from tests.fakes.udev_room import UdevRoom

RULES = UDEV / "71-posd.rules"


@pytest.fixture
def room(tmp_path: Path) -> UdevRoom:
    return UdevRoom(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_made_files_are_current(name: str) -> None:
    assert (UDEV / name).read_text("utf-8") == FILES[name](), "make tables, and look at the difference"


def test_rules_act_only_on_what_the_database_names() -> None:
    """Before the gate nothing is given away; a rule that gives a role would need a vendor."""
    rules = [line for line in RULES.read_text().splitlines() if line and not line.startswith("#")]
    gate = rules.index('ENV{POSD_ROLE}!="?*", GOTO="posd_end"')
    before = "\n".join(rules[:gate])
    assert not re.search(r"GROUP=|MODE=|SYMLINK|TAG|LIBINPUT|POSD_ROLE}=\"", before)
    assert all(re.match('SUBSYSTEM=="|ENV{ID_PATH_TAG}==""|LABEL', rule) for rule in rules[gate + 1 :])


@pytest.mark.complaint(5)
def test_no_keyboard_of_a_person_is_in_the_database() -> None:
    keyboards = [row for row in known_devices() if row.keyboard]
    assert keyboards
    assert not [row for row in keyboards if f"v{row.vendor}" in hwdb()]


def test_polkit_lets_the_daemons_user_in_and_nobody_else() -> None:
    rule = (UDEV.parent / "systemd/posd.polkit").read_text()
    service = (UDEV.parent / "systemd/posd.service").read_text()
    (user,) = re.findall("^User=(.*)$", service, re.MULTILINE)
    assert re.findall('subject.user === "(.*?)"', rule) == [user]
    assert set(re.findall('"(org[^"]*)"', rule)) == {f"org.debian.pcsc-lite.access_{what}" for what in ("pcsc", "card")}


@pytest.mark.slow
def test_the_database_is_valid_for_systemd(tmp_path: Path) -> None:
    folder = tmp_path / "etc/udev/hwdb.d"
    folder.mkdir(parents=True)
    shutil.copy(UDEV / "71-posd.hwdb", folder)
    root = f"--root={tmp_path}"
    update = ["systemd-hwdb", root, "--strict", "update"]
    done = subprocess.run(update, capture_output=True, text=True, check=True)
    assert done.stderr == ""

    def query(key: str) -> str:
        asked = ["systemd-hwdb", root, "query", key]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()

    assert query("posd:input:v0801p0001") == "POSD_ROLE=msr"
    assert query("posd:tty:v1eabp1d06") == "POSD_ROLE=scanner"
    assert query("posd:input:v1eabp1d06") == ""
    assert query("posd:input:v046dpc31c") == ""

    with (folder / "71-posd.hwdb").open("a") as file:
        file.write("\nposd:input:v1234p5678\n")
    assert subprocess.run(update, capture_output=True, text=True, check=False).stderr, "the check can fail"


@pytest.mark.slow
class TestRealUdev:
    @pytest.mark.complaint(6)
    def test_a_wedge_is_ours_alone(self, room: UdevRoom) -> None:
        (verdict,) = room.ask(room.plug_wedge("1-2", 0x0801, 0x0001))
        assert (verdict.group, verdict.mode) == ("posd-dev", "0660")
        assert verdict.properties["LIBINPUT_IGNORE_DEVICE"] == "1"
        assert verdict.posd_links == ["/dev/posd/msr-pci-0000_00_14_0-usb-0_2_1_0-event"]
        assert verdict.tags == {"posd"}
        assert not verdict.complaints

    def test_no_program_of_the_session_may_listen(self, room: UdevRoom) -> None:
        room.add("rules.d/70-zz-generous.rules", 'SUBSYSTEM=="input|hidraw|tty", TAG+="uaccess"\n')
        readers = [
            room.plug_wedge("1-2", 0x0801, 1),
            room.plug_hid("1-3", 0x0801, 2),
            room.plug_modem("1-4", 0x1EAB, 6),
        ]
        *ours, other = room.ask(*readers, room.plug_wedge("1-5", 0x046D, 0xC31C))
        assert not [verdict.tags for verdict in ours if "uaccess" in verdict.tags]
        assert "uaccess" in other.tags, "the rule does its work elsewhere"

    @pytest.mark.complaint(5)
    @pytest.mark.parametrize(("vendor", "product"), [(0x046D, 0xC31C), (0x046A, 0x0023)])
    def test_a_persons_keyboard_is_left_alone(self, room: UdevRoom, vendor: int, product: int) -> None:
        (verdict,) = room.ask(room.plug_wedge("1-2", vendor, product))
        assert (verdict.group, verdict.mode, verdict.posd_links) == ("", "", [])
        assert "LIBINPUT_IGNORE_DEVICE" not in verdict.properties
        assert "power-switch" in verdict.tags, "the machine's own rules did their work"

    def test_only_the_node_that_types_gets_the_link(self, room: UdevRoom) -> None:
        """One interface may have a second node for media keys; two nodes cannot have one name."""
        (verdict,) = room.ask(room.plug_wedge("1-2", 0x05E0, 0x1200, keys="10000000000000 0"))
        assert (verdict.group, verdict.posd_links) == ("posd-dev", [])

    @pytest.mark.complaint(11)
    def test_two_readers_of_one_make_have_two_names(self, room: UdevRoom) -> None:
        nodes = [room.plug_wedge(port, 0x0801, 0x0001) for port in ("1-2", "1-3")]
        nodes += [room.plug_hid(port, 0x0801, 0x0002) for port in ("1-4", "1-5")]
        links = [verdict.posd_links for verdict in room.ask(*nodes)]
        assert links == [
            ["/dev/posd/msr-pci-0000_00_14_0-usb-0_2_1_0-event"],
            ["/dev/posd/msr-pci-0000_00_14_0-usb-0_3_1_0-event"],
            ["/dev/posd/msr-pci-0000_00_14_0-usb-0_4_1_0-hidraw"],
            ["/dev/posd/msr-pci-0000_00_14_0-usb-0_5_1_0-hidraw"],
        ]

    def test_a_serial_scanner_is_kept_from_modemmanager(self, room: UdevRoom) -> None:
        (verdict,) = room.ask(room.plug_modem("1-2", 0x1EAB, 0x1D06))
        assert (verdict.group, verdict.properties["POSD_ROLE"]) == ("posd-dev", "scanner")
        assert verdict.properties["ID_MM_DEVICE_IGNORE"] == verdict.properties["ID_MM_PORT_IGNORE"] == "1"
        assert verdict.posd_links == ["/dev/posd/scanner-pci-0000_00_14_0-usb-0_2_1_0-tty"]

    def test_a_node_of_the_wrong_kind_is_not_given_away(self, room: UdevRoom) -> None:
        """The raw node behind a keyboard would show what is typed."""
        (verdict,) = room.ask(room.plug_hid("1-2", 0x0801, 0x0001))
        assert (verdict.group, verdict.posd_links) == ("", [])

    def test_a_shop_adds_its_reader_by_two_lines(self, room: UdevRoom) -> None:
        room.add("hwdb.d/72-posd-local.hwdb", "posd:input:v1234p5678\n POSD_ROLE=scanner\n")
        (verdict,) = room.ask(room.plug_wedge("1-2", 0x1234, 0x5678))
        assert (verdict.group, verdict.properties["POSD_ROLE"]) == ("posd-dev", "scanner")

    def test_a_shop_adds_one_of_two_adapters_by_serial_number(self, room: UdevRoom) -> None:
        """The rule that the head of our rules file shows."""
        shown = re.search(r"^# +(SUBSYSTEM==\"tty\".*)$", RULES.read_text(), re.MULTILINE)
        assert shown
        room.add("rules.d/69-posd-local.rules", shown[1] + "\n")
        ours = room.plug_adapter("1-2", 0x0403, 0x6001, lines=2, serial="A1B2C3D4")
        theirs = room.plug_adapter("1-3", 0x0403, 0x6001, serial="ZZZZZZZZ")
        first, second, other = room.ask(*ours, *theirs)
        assert first.group == second.group == "posd-dev"
        assert first.posd_links == ["/dev/posd/msr-pci-0000_00_14_0-usb-0_2_1_0-tty0"]
        assert second.posd_links == ["/dev/posd/msr-pci-0000_00_14_0-usb-0_2_1_0-tty1"]
        assert (other.group, other.posd_links) == ("", [])

    def test_a_broken_rule_is_noticed(self, room: UdevRoom) -> None:
        """Positive control for ``complaints``."""
        room.add("rules.d/99-broken.rules", 'SUBSYSTEM=="tty", GRUOP="posd-dev"\n')
        (verdict,) = room.ask(room.plug_modem("1-2", 0x1EAB, 0x1D06))
        assert verdict.complaints

    def test_udevadm_finds_no_fault(self) -> None:
        known = subprocess.run(["udevadm", "--help"], capture_output=True, text=True, check=True).stdout
        if "verify" not in known:
            pytest.skip("this udevadm cannot verify; systemd 254 can")
        subprocess.run(["udevadm", "verify", "--resolve-names=never", str(RULES)], check=True)
