"""What drivers answer when their health is checked, for anything that has a node in /dev and can be opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from posd.drivers.base import Driver, Health, HealthLevel
from posd.drivers.refusal import UDEV_FIX
from posd.errors import DeviceError, PosdError

PATIENCE_S = 10
"""How long an interactive check waits for a card."""


def node_checks(address: str, *, writable: bool = True) -> list[Health]:
    """INTERNAL: the node is there and may be opened; nothing is opened."""
    node = Path(address)
    if not node.exists():
        return [Health(False, "present", f"{address} is not there", "plug the reader in; `posd readers` lists what is")]
    checks = [Health(True, "present", address)]
    if os.access(node, os.R_OK | (os.W_OK if writable else 0)):
        return [*checks, Health(True, "permitted", f"{address} may be opened")]
    return [*checks, Health(False, "permitted", f"no permission for {address}", UDEV_FIX)]


def checks_by_opening(
    level: HealthLevel,
    internal: list[Health],
    open_device: Callable[[], Driver],
    answer: str = "opened, and held by nobody else",
) -> list[Health]:
    """``internal``, and above that level what opening shows: ``answer``. Stops at the first failure."""
    if level is HealthLevel.INTERNAL or not all(check.ok for check in internal):
        return internal
    try:
        open_device().close()
    except DeviceError as error:
        return [*internal, failed("answers", error)]
    return [*internal, Health(True, "answers", answer)]


def failed(name: str, error: PosdError) -> Health:
    """Our messages read "what is wrong; what to do"."""
    detail, _, fix = str(error).partition("; ")
    return Health(False, name, detail, fix or "check the reader and its cable")


def nothing_came(patience_s: float) -> Health:
    return Health(
        False,
        "reads",
        f"no card came within {patience_s:.0f} s",
        "swipe, scan or tap again; if the reader beeps and nothing comes, check its interface and layout settings",
    )
