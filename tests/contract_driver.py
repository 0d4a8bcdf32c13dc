"""The contract of drivers under its old name; it ships as `posd.drivers.contract`."""

from __future__ import annotations

from posd.drivers.contract import (
    CANCEL_S,
    PATIENCE_S,
    DriverContract,
    Rig,
    Session,
    StreamContract,
    eventually,
    open_files,
    spread,
)

__all__ = [
    "CANCEL_S",
    "PATIENCE_S",
    "DriverContract",
    "Rig",
    "Session",
    "StreamContract",
    "eventually",
    "open_files",
    "spread",
]
