"""A disk with a page cache in front of it, and what a power cut leaves of it.

Content: fsync(2) makes a file durable as it stands. Of what was written since, each page, or each sector of it when
writes tear, is on the disk in any of the states that it went through, whatever became of its neighbours. The file's
size went some way of its own through the sizes that it had.

Pages whose fsync failed count as clean: a later fsync leaves them out unless they were written again (Rebello et al.,
"Can Applications Recover from fsync Failures?", USENIX ATC 2020), while every process goes on reading them.

Names: fsync of the folder makes them durable; of changes since, each name has seen the first few. On a journalling file
system any fsync makes all earlier names durable.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from random import Random
from typing import TypeVar

from tests.powerloss.recording import Op, What

PAGE = 4096
SECTOR = 512

T = TypeVar("T")
Versions = defaultdict[int, list[bytes]]
"""Page number → what the page was after each write."""


class Luck:
    """How one power cut decides: how much is lost, whether sectors or pages are whole, which kind of file system."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._loses = random.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        self.grain = random.choice((SECTOR, PAGE))
        self.journalling = random.random() < 0.5

    def one_of(self, before: T, since: Sequence[T]) -> T:
        """What the last sync left, or one of the states after it."""
        if not since or self._random.random() < self._loses:
            return before
        return since[-1] if self._random.random() < 0.7 else self._random.choice(since)


@dataclass
class File:
    """``cache`` is what processes see, ``disk`` what the last fsync left."""

    cache: bytearray = field(default_factory=bytearray)
    disk: bytearray = field(default_factory=bytearray)
    dirty: Versions = field(default_factory=lambda: defaultdict(list))
    given_up: Versions = field(default_factory=lambda: defaultdict(list))
    sizes: list[int] = field(default_factory=list)

    def write(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        if len(self.cache) < end:
            self._resize(end)
        self.cache[offset:end] = data
        self._keep(offset, end)

    def truncate(self, size: int) -> None:
        """Or extend with zeros. What is cut off is gone when the new size is on the disk, and not before."""
        self._resize(size)
        for pages in (self.dirty, self.given_up):
            for page in [page for page in pages if page >= size // PAGE]:
                del pages[page]
        if size % PAGE:
            self._keep(size - 1, size)

    def sync(self) -> None:
        self.disk = self._resized(self.sizes)
        for page, versions in self.dirty.items():
            _put(self.disk, page * PAGE, versions[-1])
            self.given_up.pop(page, None)
        del self.disk[len(self.cache) :]
        self.dirty.clear()
        self.sizes.clear()

    def fail_to_sync(self) -> None:
        for page, versions in self.dirty.items():
            self.given_up[page] += versions
        self.dirty.clear()

    def after_power_cut(self, luck: Luck) -> bytes:
        survived = luck.one_of(0, range(1, len(self.sizes) + 1))
        content = self._resized(self.sizes[:survived])
        size = len(content)
        for page in self.given_up.keys() | self.dirty.keys():
            versions = self.given_up.get(page, []) + self.dirty.get(page, [])
            for start in range(0, PAGE, luck.grain):
                chosen = luck.one_of(None, versions)
                if chosen is not None:
                    _put(content, page * PAGE + start, chosen[start : start + luck.grain])
        return bytes(content[:size])

    def _resized(self, sizes: Sequence[int]) -> bytearray:
        """What was on the disk, after its size changed so."""
        content = self.disk[: min(sizes, default=len(self.disk))]
        content.extend(bytes((sizes[-1] if sizes else len(self.disk)) - len(content)))
        return content

    def _resize(self, size: int) -> None:
        del self.cache[size:]
        self.cache.extend(bytes(size - len(self.cache)))
        self.sizes.append(size)

    def _keep(self, start: int, end: int) -> None:
        for page in range(start // PAGE, -(-end // PAGE)):
            self.dirty[page].append(bytes(self.cache[page * PAGE : (page + 1) * PAGE]).ljust(PAGE, b"\0"))


def _put(content: bytearray, offset: int, data: bytes) -> None:
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


@dataclass
class Names:
    """Which file has which name on the disk, and what was changed since."""

    durable: dict[str, File] = field(default_factory=dict)
    changes: list[tuple[str, File | None]] = field(default_factory=list)

    def sync(self, folder: str | None) -> None:
        """None: all folders."""
        waiting = []
        for name, file in self.changes:
            if folder is None or str(PurePosixPath(name).parent) == folder:
                _set(self.durable, name, file)
            else:
                waiting.append((name, file))
        self.changes = waiting

    def after_power_cut(self, luck: Luck) -> dict[str, File]:
        files = dict(self.durable)
        seen: dict[str, list[File | None]] = {}
        for name, file in self.changes:
            seen.setdefault(name, []).append(file)
        for name, states in seen.items():
            _set(files, name, luck.one_of(files.get(name), states))
        return files


class Disk:
    """All recorded files. Paths are kept as they were recorded."""

    def __init__(self) -> None:
        self.names: dict[str, File] = {}
        self._inodes: dict[int, File] = {}
        self._strict = Names()
        self._journalled = Names()

    def apply(self, op: Op) -> None:
        match op.what:
            case What.CREATE:
                self._inodes[op.file] = File()
                self._name(op.data.decode(), self._inodes[op.file])
            case What.WRITE:
                self._inodes[op.file].write(op.offset, op.data)
            case What.RESIZE:
                self._inodes[op.file].truncate(op.offset)
            case What.SYNC:
                self._inodes[op.file].sync()
                self._journalled.sync(None)
            case What.SYNC_FAILED:
                if op.file in self._inodes:  # a folder's names just wait
                    self._inodes[op.file].fail_to_sync()
            case What.SYNC_FOLDER:
                self._strict.sync(op.data.decode())
                self._journalled.sync(None)
            case What.RENAME:
                old, _, new = op.data.decode().partition("\0")
                self._name(new, self.names[old])
                self._name(old, None)
            case What.UNLINK:
                self._name(op.data.decode(), None)

    def after_power_cut(self, luck: Luck) -> dict[str, bytes]:
        """What is found at the next start, by path."""
        names = self._journalled if luck.journalling else self._strict
        return {name: file.after_power_cut(luck) for name, file in names.after_power_cut(luck).items()}

    def now(self) -> dict[str, bytes]:
        """What processes see, by path."""
        return {name: bytes(file.cache) for name, file in self.names.items()}

    def _name(self, name: str, file: File | None) -> None:
        _set(self.names, name, file)
        self._strict.changes.append((name, file))
        self._journalled.changes.append((name, file))


def _set(names: dict[str, File], name: str, file: File | None) -> None:
    if file is None:
        names.pop(name, None)
    else:
        names[name] = file


def replay(ops: Iterable[Op]) -> Disk:
    disk = Disk()
    for op in ops:
        disk.apply(op)
    return disk
