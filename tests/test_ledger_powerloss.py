"""Power cuts at random points of a till's life: what was told is there, the chain is whole, the till goes on.

`make torture` does the same for as long as it is let. How it works: `tests/powerloss/`.
"""

from __future__ import annotations

import random

import pytest

from tests.powerloss.disk import PAGE, SECTOR, File, Luck, replay
from tests.powerloss.images import record
from tests.powerloss.recording import Op, What
from tests.powerloss.torture import fast_folder, live_and_cut, traits_of

IMAGES = 150
ACTIONS = 100


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", range(4), ids=["new ledger", "first release's", "new, failing disk", "first release's, failing disk"]
)
def test_no_power_cut_breaks_a_promise(kind: int) -> None:
    """I1, I2, I3, I4, I7, I8 in every image; 600 of them."""
    seed = 4 * random.randrange(10**6) + kind
    print(f"seed {seed}")
    assert live_and_cut(seed, IMAGES, ACTIONS) == {"well": IMAGES}


@pytest.mark.slow
@pytest.mark.parametrize("synchronous", ["normal", "off"])
def test_a_ledger_that_does_not_wait_for_the_disk_is_caught(synchronous: str) -> None:
    """The positive control: the same till with a weaker pragma loses what it told, and without any, its file."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    found = live_and_cut(seed, IMAGES // 2, ACTIONS, control=(synchronous,))
    assert found["lost"] > 0
    assert synchronous == "normal" or found["does not open"] + found["broken"] > 0


@pytest.mark.slow
def test_a_ledger_that_believes_its_log_after_a_failed_sync_is_caught() -> None:
    """The positive control of the failing disk. In most of these lives the till dies at a bad moment, not in each."""
    seeds = (4 * random.randrange(10**6) + 2 for _ in range(10))
    assert any(live_and_cut(seed, IMAGES // 2, ACTIONS, control=("believing",))["lost"] for seed in seeds)


@pytest.mark.slow
def test_the_recorder_misses_nothing() -> None:
    """Replayed without a power cut, the recording is byte for byte what stands in the folder."""
    with fast_folder() as folder:
        disk = replay(record(folder, 3, ACTIONS, traits_of(3)))
        there = [path for path in folder.glob("world/**/*") if path.is_file() and not path.name.endswith("-shm")]
        assert disk.now() == {str(path): path.read_bytes() for path in there}
        assert len(there) >= 4


class Unlucky(Luck):
    """Nothing that was not synced survives; `Lucky`: all of it does."""

    loses = 1.0

    def __init__(self, *, journalling: bool = False) -> None:
        super().__init__(random.Random(0))
        self._loses = self.loses
        self.journalling = journalling


class Lucky(Unlucky):
    loses = -1.0


def test_a_disk_keeps_what_was_synced() -> None:
    file = File()
    file.write(0, b"a" * PAGE)
    file.sync()
    file.write(PAGE - 1, b"bb")
    assert file.after_power_cut(Unlucky()) == b"a" * PAGE
    file.sync()
    assert file.after_power_cut(Unlucky()) == b"a" * (PAGE - 1) + b"bb"
    file.truncate(3)
    assert len(file.after_power_cut(Unlucky())) == PAGE + 1
    file.sync()
    assert file.after_power_cut(Unlucky()) == b"aaa"


def test_a_disk_may_keep_any_part_of_the_rest() -> None:
    file = File()
    file.write(0, bytes(4 * PAGE))
    file.sync()
    file.write(0, b"b" * 4 * PAGE)
    grains = set()
    for seed in range(100):
        luck = Luck(random.Random(seed))
        left = file.after_power_cut(luck)
        parts = [left[start : start + luck.grain] for start in range(0, len(left), luck.grain)]
        assert all(len(set(part)) == 1 for part in parts)
        if len(set(parts)) == 2:
            grains.add(luck.grain)
    assert grains == {PAGE, SECTOR}


def test_pages_whose_sync_failed_are_lost_unless_they_are_written_again() -> None:
    file = File()
    file.write(0, b"a" * 2 * PAGE)
    file.fail_to_sync()
    file.write(0, b"b")
    file.sync()
    assert bytes(file.cache) == b"b" + b"a" * (2 * PAGE - 1)
    assert file.after_power_cut(Unlucky()) == b"b" + b"a" * (PAGE - 1) + bytes(PAGE)


def test_a_name_is_durable_after_its_folder_was_synced() -> None:
    made = Op(What.CREATE, 1, 0, b"/x/a")
    disk = replay([made, Op(What.SYNC, 1, 0, b"")])
    assert disk.after_power_cut(Unlucky()) == {}
    assert disk.after_power_cut(Unlucky(journalling=True)) == {"/x/a": b""}
    disk.apply(Op(What.SYNC_FOLDER, 2, 0, b"/y"))
    assert disk.after_power_cut(Unlucky()) == {}
    disk.apply(Op(What.SYNC_FOLDER, 2, 0, b"/x"))
    assert disk.after_power_cut(Unlucky()) == {"/x/a": b""}
    disk.apply(Op(What.RENAME, 0, 0, b"/x/a\0/x/b"))
    assert disk.after_power_cut(Unlucky()) == {"/x/a": b""}
    assert disk.after_power_cut(Lucky()) == {"/x/b": b""}
    disk.apply(Op(What.UNLINK, 0, 0, b"/x/b"))
    assert disk.after_power_cut(Unlucky()) == {"/x/a": b""}
    assert disk.now() == {}
