"""The ground a ledger stands on: its file system, its lock, its directory entry, and a reserve for a full disk."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from posd.errors import LedgerInUse, LedgerUnwritable

NETWORK = frozenset(
    {"9p", "afs", "ceph", "cifs", "davfs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
    | {f"fuse.{kind}" for kind in ("davfs", "glusterfs", "rclone", "s3fs", "sshfs")}
)
"""File systems whose locks and shared memory SQLite's WAL cannot rely on (sqlite.org/wal.html)."""
VOLATILE = frozenset({"tmpfs", "ramfs"})


def filesystem_of(path: Path, mountinfo: str) -> str:
    """Type of the file system that holds ``path``, from the text of ``/proc/self/mountinfo`` (proc(5))."""
    best, kind = "", "unknown"
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        mount_point = left.split()[4].encode().decode("unicode_escape")
        if path.is_relative_to(mount_point) and len(mount_point) >= len(best):
            best, kind = mount_point, right.split()[0]
    return kind


def check_filesystem(directory: Path, kind: str) -> str | None:
    """A warning, or None. Raises `LedgerUnwritable` where durability cannot be had."""
    if kind in NETWORK:
        raise LedgerUnwritable(
            f"{directory} is on a network file system ({kind}), which cannot keep a ledger safe; "
            "move it to a local disk and set --state-dir"
        )
    if kind in VOLATILE:
        return f"{directory} is in memory ({kind}): everything is lost at power off; set --state-dir to a disk"
    return None


def prepare_directory(directory: Path) -> str | None:
    """Make the directory and see whether a ledger may live in it. Returns a warning or None."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        mountinfo = Path("/proc/self/mountinfo").read_text("utf-8")
    except OSError as error:
        raise unwritable(directory, error) from error
    return check_filesystem(directory, filesystem_of(directory.resolve(), mountinfo))


def unwritable(path: Path, error: OSError) -> LedgerUnwritable:
    """The error with what to do next."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            advice = "the disk is full: free some space"
        case errno.EROFS:
            advice = "the file system is mounted read-only: check the disk (dmesg), then remount it"
        case errno.EACCES | errno.EPERM:
            advice = f"permission denied: chown the directory to this user (uid {os.getuid()})"
        case _:
            advice = "check the path and the disk"
    return LedgerUnwritable(f"cannot write at {path} ({error.strerror}); {advice}")


def sync_directory(directory: Path) -> None:
    """fsync(2) of the directory: a new file's name survives a power cut only after this."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FileLock:
    """flock(2) on a file of its own. (Not on the ledger: closing any descriptor of that file would drop SQLite's own
    locks.) The file stays and names the last holder."""

    def __init__(self, path: Path) -> None:
        """Raises `LedgerInUse` with the holder's pid, `LedgerUnwritable` where no lock can be made."""
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unwritable(path, error) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            self.release()
            raise LedgerInUse(
                f"{path.with_suffix('')} is held by process {holder}; stop that one first (systemctl stop posd)"
            ) from error
        except OSError as error:
            self.release()
            raise unwritable(path, error) from error

    def release(self) -> None:
        """May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Ballast:
    """Space held back, so that a disk which somebody filled still takes the sales of the next hours."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    @property
    def held(self) -> bool:
        return self._size == 0 or self._path.exists()

    def hold(self) -> bool:
        """Take the space while twice as much is free; says whether it is held."""
        if self.held:
            return True
        free = os.statvfs(self._path.parent)
        if free.f_bavail * free.f_frsize < 2 * self._size:
            return False
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._size)
            finally:
                os.close(descriptor)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> bool:
        """Give the space back; says whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
