"""Makes udev/71-posd.hwdb and udev/posd-modprobe.conf from the table of known devices.

The hardware database says of a USB id and a subsystem what posd uses it for; udev/71-posd.rules, which is written by
hand and names no device, does what follows from that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from posd.drivers.known_devices import known_devices

UDEV = Path(__file__).resolve().parent.parent / "udev"

HWDB_HEAD = """\
# Made by `make tables` from posd/drivers/known_devices.toml. udev/71-posd.rules asks this for every device
# of the subsystems input, hidraw and tty that hangs on USB: posd:<subsystem>:v<vendor>p<product>.
#
# A reader of your own: write two lines like these into /etc/udev/hwdb.d/72-posd-local.hwdb, with the id that `lsusb`
# shows, then: systemd-hwdb update && udevadm trigger. Never the id of a keyboard that a person types on.
#
#   posd:input:v1234p5678
#    POSD_ROLE=scanner
"""

MODPROBE_HEAD = """\
# Made by `make tables` from posd/drivers/known_devices.toml. Modules of the kernel that take readers away from pcscd.
# Install as /etc/modprobe.d/posd.conf where such a reader is used.
"""


def hwdb() -> str:
    """Every id that a rule may hand out. Keyboards of people are in no record, so nothing ever happens to them."""
    records: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in known_devices():
        if row.udev_key:
            record = records.setdefault((row.node, row.device_class.value), {})
            record.setdefault(row.udev_key, []).append(row.name)
    return "\n".join([HWDB_HEAD, *(_record(role, ids) for (_, role), ids in sorted(records.items()))])


def _record(role: str, ids: Mapping[str, Sequence[str]]) -> str:
    matches = "".join(f"# {'; '.join(names)}\n{key}\n" for key, names in ids.items())
    return f"{matches} POSD_ROLE={role}\n"


def modprobe() -> str:
    rows = [row for row in known_devices() if row.kernel_module]
    return MODPROBE_HEAD + "".join(f"\n# {row.name}\nblacklist {row.kernel_module}\n" for row in rows)


FILES = {"71-posd.hwdb": hwdb, "posd-modprobe.conf": modprobe}

if __name__ == "__main__":
    for name, make in FILES.items():
        (UDEV / name).write_text(make(), "utf-8")
