"""``python -m tests.powerloss.torture [--images N] [--seconds S] [--seed N]``: `make torture`.

Life after life of a till, power cut after power cut, until ``--images`` are through and ``--seconds`` are over. The
exit status is 1 when a promise was broken; the recording is kept and named. Each run ends with the positive control.
"""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir, mkdtemp

from tests.powerloss.images import complaint, power_cuts, record

IMAGES_A_LIFE = 500
ACTIONS = 120
MEMORY = Path("/dev/shm")


@contextmanager
def fast_folder() -> Iterator[Path]:
    """In memory where that is possible: the disk is modelled, so a real one only costs time. Kept after an error."""
    folder = Path(mkdtemp(prefix="posd-torture-", dir=MEMORY if MEMORY.is_dir() else gettempdir()))
    yield folder
    shutil.rmtree(folder)


def traits_of(seed: int) -> tuple[str, ...]:
    """Every second life begins with a ledger of the first release, every second pair of lives has a failing disk."""
    return (*(["older"] if seed & 1 else []), *(["failing"] if seed & 2 else []))


def live_and_cut(seed: int, images: int, actions: int = ACTIONS, control: tuple[str, ...] = ()) -> Counter[str]:
    """One till's life and ``images`` power cuts in it: how often which kind of complaint came, "well" for none.

    Prints each complaint and keeps the recording, unless it is a positive ``control``: traits of a till that breaks its
    promises.
    """
    found: Counter[str] = Counter()
    with fast_folder() as folder:
        ops = record(folder, seed, actions, traits_of(seed) + control)
        for image in power_cuts(ops, folder / "world", images, seed):
            said = complaint(image, folder / "image")
            found[(said or "well").split(":")[0]] += 1
            if said is not None and not control:
                print(f"seed {seed}, after call {image.cut}: {said}")
        if not control and found.total() > found["well"]:
            kept = Path(gettempdir()) / f"posd-torture-{seed}.log"
            shutil.copy(folder / "log", kept)
            print(f"the recording is kept in {kept}")
    return found


def main() -> int:
    options = argparse.ArgumentParser(description="Power cuts at random points of a till's life.")
    options.add_argument("--images", type=int, default=20_000, help="at least so many")
    options.add_argument("--seconds", type=int, default=0, help="at least so long")
    options.add_argument("--seed", type=int, default=random.randrange(10**6))
    chosen = options.parse_args()
    logging.disable(logging.WARNING)  # each image is a copy, and a store says so when leases are open
    begun, found, life = time.monotonic(), Counter[str](), 0
    print(f"seed {chosen.seed}", flush=True)
    while found.total() < chosen.images or time.monotonic() - begun < chosen.seconds:
        found += live_and_cut(chosen.seed + life, IMAGES_A_LIFE)
        life += 1
        spent = time.monotonic() - begun
        print(f"{found.total()} images of {life} lives in {spent:.0f} s: {dict(found)}", flush=True)
    control = live_and_cut(chosen.seed, IMAGES_A_LIFE, control=("normal",))
    broken = found.total() - found["well"]
    print(f"result: {found.total()} images, seed {chosen.seed}, {broken} with a broken promise")
    print(f"control: synchronous=NORMAL lost what was told in {control['lost']} of {control.total()} images")
    return int(broken > 0 or control["lost"] == 0)


if __name__ == "__main__":
    sys.exit(main())
