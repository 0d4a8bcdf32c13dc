"""The one door behind which a stranger's code may do what it likes: a plug-in that crashes is a fault of one reader.

The text of what it raised is not passed on: a driver that trips over a card tends to quote the card.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from posd.errors import DeviceError, PosdError

T = TypeVar("T")


class DriverCrashed(DeviceError):
    """A driver raised what no driver may. The message names the place in its source and never what it was reading."""

    exit_code = 70


def contained(who: str, action: Callable[[], T]) -> T:
    """What ``action`` returns; posd's own errors pass, everything else becomes `DriverCrashed`. ``who`` is the driver's
    name for the message."""
    try:
        return action()
    except PosdError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the device supervisor's door: a plug-in may raise anything
        place = _innermost(error.__traceback__)
        raise DriverCrashed(
            f"driver {who} crashed with {type(error).__name__} at {place}; update or remove the package it came with"
        ) from None


def _innermost(trace: TracebackType | None) -> str:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
