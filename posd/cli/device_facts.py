"""What `posd doctor` has to look up about the machine before it can judge: nodes, programs, modules, rules. Reads /dev,
/proc, /sys and /etc; opens no device."""

from __future__ import annotations

import grp
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import posd
from posd.drivers.base import ReaderConfig
from posd.drivers.usb import UsbDevice, usb_devices

DEVICE_GROUP = "posd-dev"
RULES, HWDB, POLKIT = "71-posd.rules", "71-posd.hwdb", "org.debian.pcsc-lite.access_pcsc"
PCSCD_SOCKET = "/run/pcscd/pcscd.comm"


@dataclass(frozen=True, slots=True)
class Node:
    """A device node that a reader names. ``group`` is empty for one that is not there; ``holders``: programs that have
    it open, as ``name (process id)``, as far as we may know."""

    reader_id: str
    address: str
    group: str = ""
    may_open: bool = False
    holders: tuple[str, ...] = ()

    @property
    def there(self) -> bool:
        return bool(self.group)


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """``groups``: of whoever asks. ``rules``, ``hwdb``: our udev files as installed, None where they are not;
    ``rules_here``: the rules of the checkout that posd runs from. ``polkit``: whether a rule lets services use pcscd;
    None where pcscd does not ask polkit."""

    nodes: Sequence[Node] = ()
    user: str = "root"
    groups: frozenset[str] = frozenset()
    group_exists: bool = True
    as_root: bool = True
    rules: str | None = None
    rules_here: str | None = None
    hwdb: str | None = None
    modules: frozenset[str] = frozenset()
    programs: frozenset[str] = frozenset()
    usb: Sequence[UsbDevice] = ()
    pcscd: bool = True
    polkit: bool | None = None


def device_facts(readers: Sequence[ReaderConfig], root: Path = Path("/")) -> DeviceFacts:
    """Of the machine whose file system begins at ``root``."""
    own = {os.getpid(), os.getppid()}
    open_files = _open_files(root / "proc", own)
    return DeviceFacts(
        nodes=[_node(reader.reader_id, address, open_files) for reader in readers for address in _addresses(reader)],
        user=os.environ.get("SUDO_USER") or os.environ.get("USER") or "posd",
        groups=frozenset(_group_name(number) for number in os.getgroups()),
        group_exists=_group_exists(DEVICE_GROUP),
        as_root=os.geteuid() == 0,
        rules=_first(root, "etc/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d", name=RULES),
        rules_here=_read(Path(posd.__file__).parent.parent / "udev" / RULES),
        hwdb=_first(root, "etc/udev/hwdb.d", "usr/lib/udev/hwdb.d", "lib/udev/hwdb.d", name=HWDB),
        modules=frozenset(line.split()[0] for line in (_read(root / "proc/modules") or "").splitlines() if line),
        programs=frozenset(_comm(folder) for folder in _processes(root / "proc")),
        usb=usb_devices(root / "sys"),
        pcscd=_has_pcscd(root),
        polkit=_polkit(root),
    )


def _addresses(reader: ReaderConfig) -> list[str]:
    named = [reader.options.get("address"), *(reader.options.get("also") or ())]
    return [address for address in named if isinstance(address, str) and address.startswith("/dev/")]


def _node(reader_id: str, address: str, open_files: dict[str, list[str]]) -> Node:
    real = Path(address).resolve()
    try:
        group = _group_name(real.stat().st_gid)
    except OSError:
        return Node(reader_id, address)
    return Node(reader_id, address, group, os.access(real, os.R_OK), tuple(open_files.get(str(real), ())))


def _open_files(proc: Path, own: set[int]) -> dict[str, list[str]]:
    """Node in /dev → programs. Other users' programs are visible to root only."""
    found: dict[str, list[str]] = {}
    for folder in _processes(proc):
        if int(folder.name) not in own:
            for target in {target for target in _targets(folder / "fd") if target.startswith("/dev/")}:
                found.setdefault(target, []).append(f"{_comm(folder)} ({folder.name})")
    return found


def _targets(folder: Path) -> Iterable[str]:
    try:
        links = list(folder.iterdir())
    except OSError:
        return
    for link in links:
        try:
            yield str(link.readlink())
        except OSError:
            continue


def _processes(proc: Path) -> list[Path]:
    return [folder for folder in proc.glob("[0-9]*") if folder.name.isdigit()]


def _comm(folder: Path) -> str:
    return (_read(folder / "comm") or "").strip()


def _has_pcscd(root: Path) -> bool:
    return Path(os.environ.get("PCSCLITE_CSOCK_NAME") or root / PCSCD_SOCKET.lstrip("/")).exists()


def _polkit(root: Path) -> bool | None:
    if not (root / "usr/share/polkit-1/actions/org.debian.pcsc-lite.policy").exists():
        return None
    folders = (root / "etc/polkit-1/rules.d", root / "usr/share/polkit-1/rules.d")
    return any(POLKIT in (_read(file) or "") for folder in folders for file in folder.glob("*.rules"))


def _first(root: Path, *folders: str, name: str) -> str | None:
    texts = (_read(root / folder / name) for folder in folders)
    return next((text for text in texts if text is not None), None)


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return None


def _group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
