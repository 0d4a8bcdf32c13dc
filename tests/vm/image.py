"""The disk of a virtual till: Debian with posd installed from this checkout, made without booting anything.

Two layers, both cached: a Debian tree (kept while its packages stay the same) and a disk with posd in it (kept while
the commit stays the same). posd is installed in a chroot, offline, from wheels built here, as a package would do it:
into /opt/posd, with the units, users and udev rules that the repository ships.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("POSD_VM_CACHE", "/var/tmp/posd-vm"))  # a gigabyte that outlives a run
MIRROR = os.environ.get("POSD_VM_MIRROR", "http://deb.debian.org/debian")
DISK_BYTES = 2 * 1024**3

# What a till has, and for the test itself: the agent that runs commands, curl, busybox for the initrd.
PACKAGES = (
    "systemd-sysv,udev,dbus,kmod,linux-image-amd64,python3,python3-venv,pcscd,libccid,polkitd,"
    "qemu-guest-agent,curl,busybox-static"
)
# Of no use to a till without a screen; the kernel's are half of the tree.
LEFT_OUT = (
    *(f"/usr/share/{name}/*" for name in ("man", "doc", "locale", "info")),
    *(
        f"/lib/modules/*/kernel/{name}/*"
        for name in (
            *("sound", "net/bluetooth", "net/mac80211", "net/wireless", "fs/btrfs", "fs/xfs", "fs/ocfs2", "fs/gfs2"),
            *("drivers/gpu", "drivers/net/wireless", "drivers/net/ethernet", "drivers/media", "drivers/infiniband"),
            *("drivers/scsi", "drivers/iio", "drivers/staging", "drivers/isdn", "drivers/hwmon", "drivers/md"),
        )
    ),
)
# Noise in timings, and what needs hardware that is not there.
MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer",
          "systemd-networkd.service", "systemd-networkd.socket", "systemd-timesyncd.service",
          "systemd-pstore.service", "getty@tty1.service")  # fmt: skip
INITRD_MODULES = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4")
INIT = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
while read -r module; do /bin/busybox insmod "/modules/$module"; done < /order
until [ -b /dev/vda ]; do /bin/busybox usleep 20000; done
/bin/busybox mount -t ext4 /dev/vda /root || exec /bin/busybox sh
/bin/busybox umount /dev
exec /bin/busybox switch_root /root /sbin/init
"""
PLACES = {
    ".rules": "etc/udev/rules.d",
    ".hwdb": "etc/udev/hwdb.d",
    ".conf": "etc/modprobe.d",
    ".sysusers": "usr/lib/sysusers.d",
    ".polkit": "etc/polkit-1/rules.d",
    ".service": "etc/systemd/system",
    ".socket": "etc/systemd/system",
}
"""Where the files of ``udev/`` and ``systemd/`` go, each by its kind."""
ENDINGS = {".sysusers": ".conf", ".polkit": ".rules"}
"""What they must end in there."""


def till_image() -> Path:
    """The directory of a bootable till: ``disk.raw``, ``vmlinux``, ``initrd.img``. Takes two minutes the first time."""
    debian = _debian()
    ours = [path.read_text() for path in (Path(__file__), *sorted((HERE / "guest").glob("*.py")))]
    image = CACHE / f"till-{_key(debian.name, _commit(), *ours)}"
    if not (image / "disk.raw").exists():
        for old in CACHE.glob("till-*"):
            shutil.rmtree(old)
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            _make_till(debian, Path(work))
            (Path(work) / "image").rename(image)
    return image


def _debian() -> Path:
    tree = CACHE / f"debian-{_key(PACKAGES, *LEFT_OUT)}"
    if not tree.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            leave_out = [f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT]
            command = ["mmdebstrap", "--mode=root", "--variant=minbase", "--quiet", f"--include={PACKAGES}"]
            # The distribution's initrd takes seconds to unpack under emulation; ours is ten lines.
            _run([*command, *leave_out, "bookworm", f"{work}/root", MIRROR], env={**os.environ, "INITRD": "No"})
            (Path(work) / "root").rename(tree)
    return tree


def _make_till(debian: Path, work: Path) -> None:
    image, root = work / "image", work / "root"
    image.mkdir()
    _run(["cp", "-a", "--reflink=auto", str(debian), str(root)])
    _settle_in(root)
    _install_posd(root, work)
    (image / "vmlinux").write_bytes(_kernel(root))
    _make_initrd(root, image / "initrd.img", work / "initrd")
    disk = image / "disk.raw"
    disk.touch()
    os.truncate(disk, DISK_BYTES)
    _run(["mke2fs", "-q", "-t", "ext4", "-d", str(root), str(disk)])


def _settle_in(root: Path) -> None:
    (root / "etc/hostname").write_text("till\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    (root / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 0\n")
    (root / "etc/machine-id").write_text("")
    _in(root, "systemctl", "mask", *MASKED)


def _install_posd(root: Path, work: Path) -> None:
    source = work / "source"
    source.mkdir()
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", "HEAD"], check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive, check=True)
    _put_settings(source, root)
    _run([sys.executable, "-m", "pip", "-qq", "wheel", "--wheel-dir", f"{root}/opt/wheels", f"{source}[club]"])
    _in(root, "python3", "-m", "venv", "/opt/posd")
    _in(root, "/opt/posd/bin/pip", "-qq", "install", "--no-index", "--find-links", "/opt/wheels", "posd[club]")
    shutil.rmtree(root / "opt/wheels")
    shutil.copytree(HERE / "guest", root / "opt/vm")
    _in(root, "systemd-sysusers")
    _in(root, "systemd-hwdb", "update")
    _in(root, "systemctl", "enable", "pcscd.socket")


def _put_settings(source: Path, root: Path) -> None:
    """The files of ``udev/`` and ``systemd/``, each where its kind belongs."""
    for path in sorted([*(source / "udev").rglob("*"), *(source / "systemd").rglob("*")]):
        if not path.is_file():
            continue
        folder = root / PLACES[path.suffix]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / f"{path.stem}{ENDINGS.get(path.suffix, path.suffix)}")


def _kernel(root: Path) -> bytes:
    """The uncompressed kernel out of Debian's bzImage: boots without a boot loader, and without xz under emulation."""
    (packed,) = (root / "boot").glob("vmlinuz-*")
    data = packed.read_bytes()
    return lzma.LZMADecompressor().decompress(data[data.index(b"\xfd7zXZ\0") :])


def _make_initrd(root: Path, target: Path, tree: Path) -> None:
    """busybox, the modules for the disk, and an init that mounts it."""
    for folder in ("bin", "modules", "dev", "root"):
        (tree / folder).mkdir(parents=True)
    shutil.copy(root / "bin/busybox", tree / "bin")
    (version,) = (path.name for path in (root / "lib/modules").iterdir())
    order: dict[str, None] = {}
    for module in INITRD_MODULES:
        needed = _in(root, "modprobe", "-S", version, "--show-depends", module)
        order |= dict.fromkeys(line.split()[1] for line in needed.splitlines())
    for path in order:
        shutil.copy(f"{root}{path}", tree / "modules")
    (tree / "order").write_text("".join(f"{Path(path).name}\n" for path in order))
    (tree / "init").write_text(INIT)
    (tree / "init").chmod(0o755)
    _run(["sh", "-c", f"cd {tree} && find . | cpio -o -H newc --quiet | gzip -1 > {target}"])


def _in(root: Path, *command: str) -> str:
    return _run(["chroot", str(root), *command])


def _run(command: Sequence[str], env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command[:4])}: {done.stdout}{done.stderr}"
    return done.stdout


def _commit() -> str:
    return _run(["git", "-C", str(ROOT), "rev-parse", "HEAD"])


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
