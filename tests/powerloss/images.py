"""From a recorded life of a till to what the next start finds after a power cut: is every promise kept?"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from posd.errors import LedgerError
from posd.ledger.store import Store
from posd.ledger.verify import verify_ledger
from posd.machine import SystemClock
from tests.fakes.sales import sale
from tests.powerloss.disk import Disk, Luck
from tests.powerloss.recording import Op, read_log, recorded_environment, run_recorded, set_switches
from tests.powerloss.workload import LEDGER, RESERVE, TOLD, request_of

DAMAGED = (LedgerError, sqlite3.Error, TypeError, ValueError)
"""What reading a damaged file may lead to."""
LIVES = 3
WORKLOAD = "tests.powerloss.workload"


@dataclass
class Told:
    """What the till said on its side channel up to the power cut."""

    asked: set[str] = field(default_factory=set)
    booked: dict[str, int] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)
    members: list[str] = field(default_factory=list)
    acked: int = 0
    opened: str | None = None
    cursors: list[str | None] | None = None
    """Those that may stand: the last one that was told and those that were handed in after it. None: any."""

    @classmethod
    def read(cls, text: bytes) -> Told:
        told = cls()
        for line in text.splitlines():
            fact = json.loads(line)
            told.asked.update(fact.get("asked", ()))
            if "told" in fact:
                told.booked[fact["told"]] = fact["seq"]
            if "request" in fact:
                told.requests[fact["request"]] = fact["told"]
            if "member" in fact:
                told.members.append(fact["member"])
            told.acked = fact.get("acked", told.acked)
            told.opened = fact.get("opened", told.opened)
            if "cursor_asked" in fact and told.cursors is not None:
                told.cursors.append(fact["cursor_asked"])
            if "cursor" in fact:
                told.cursors = [fact["cursor"]]
        return told


@dataclass(frozen=True)
class Image:
    """What a power cut left. ``cut``: how many recorded calls came before it."""

    cut: int
    files: dict[str, bytes]
    told: Told


def record(folder: Path, seed: int, actions: int, traits: Iterable[str] = ()) -> list[Op]:
    """Some lives of one till, each begins where the one before was killed; all that they did to ``folder``'s disk."""
    world, log, switches = folder / "world", folder / "log", folder / "switches"
    world.mkdir()
    environment = recorded_environment(world, log, switches)
    for life in range(LIVES):
        set_switches(switches)
        arguments = (str(world), f"{seed}{life}", str(actions // LIVES))
        run_recorded(WORKLOAD, *arguments, *traits, environment=environment)
    return list(read_log(log))


def power_cuts(ops: list[Op], world: Path, count: int, seed: int) -> Iterator[Image]:
    """``count`` images at random points, in order."""
    random = Random(seed)
    cuts = sorted(random.randrange(len(ops) + 1) for _ in range(count))
    disk, done = Disk(), 0
    for number, cut in enumerate(cuts):
        for op in ops[done:cut]:
            disk.apply(op)
        done = cut
        told = disk.names.get(str(world / TOLD))
        left = disk.after_power_cut(Luck(Random(f"{seed}:{number}")))
        files = {str(Path(name).relative_to(world)): content for name, content in left.items()}
        files.pop(TOLD, None)
        yield Image(cut, files, Told.read(bytes(told.cache) if told else b""))


def lay_out(image: Image, folder: Path) -> Path:
    """The image as files; returns the ledger's path."""
    shutil.rmtree(folder, ignore_errors=True)
    path = folder / LEDGER
    path.parent.mkdir(parents=True)
    for name, content in image.files.items():
        (folder / name).write_bytes(content)
    return path


def complaint(image: Image, folder: Path) -> str | None:
    """Start a till on the image; the first promise that is not kept, or None."""
    path = lay_out(image, folder)
    try:
        store = Store.open(path, clock=SystemClock(), ballast_bytes=RESERVE)
    except DAMAGED as error:
        return f"does not open: {error}"
    try:
        return _broken_word(store, image.told) or _broken_books(store, image.told) or _broken_future(store)
    except DAMAGED as error:
        return f"broken: {error}"
    finally:
        store.close()


def _broken_word(store: Store, told: Told) -> str | None:
    """I1, for everything that the till was told."""
    reader = store.reader()
    for entry_id, seq in told.booked.items():
        entry = reader.entry(bytes.fromhex(entry_id))
        if entry is None or entry.seq != seq:
            return f"lost: told entry {seq} of {max(told.booked.values())}, the head is {reader.head().seq}"
    for key, entry_id in told.requests.items():
        booked = store.request(request_of(key))
        if booked is None or booked.entry_id.hex() != entry_id:
            return f"lost: the answer to request {key}"
    for name in told.members:
        if reader.member_by_key(name) is None:
            return f"lost: member {name}"
    if reader.acked_seq() < told.acked:
        return f"lost: acknowledged up to {told.acked}, stands at {reader.acked_seq()}"
    if told.cursors is not None and reader.cursor() not in told.cursors:
        return f"lost: the cursor is {reader.cursor()}, told were {told.cursors}"
    if told.opened not in (None, reader.till_id()):
        return f"lost: the till's name {told.opened}"
    return None


def _broken_books(store: Store, told: Told) -> str | None:
    """I2, I3, I4, I7, I8, and that nothing was invented."""
    report = verify_ledger(store.path)
    if report.broken is not None:
        return f"broken: {report.broken}"
    invented = {entry.entry_id.hex() for entry in store.reader().entries(limit=100_000)} - told.asked
    return f"invented: {invented}" if invented else None


def _broken_future(store: Store) -> str | None:
    """The till can book, and a draft that comes twice stands once."""
    head, draft = store.reader().head().seq, sale()
    seqs = [store.append(draft).result().seq for _ in range(2)]
    if seqs != [head + 1, head + 1]:
        return f"cannot go on: booked {seqs} after {head}"
    reserve = store.path.with_name(store.path.name + ".reserve")
    if store._ballast.held and reserve.stat().st_size != RESERVE:
        return f"cannot go on: the reserve is held with {reserve.stat().st_size} bytes"
    return None
