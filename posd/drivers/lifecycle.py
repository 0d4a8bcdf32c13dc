"""What becomes of a reader: a pure function of its state and of what just happened to it.

::

    absent --found--> opening --opened--> ready --gone--> lost --released--> waiting --found--> opening
      ^                  |--gone--> waiting --missing--> absent
      |                  |--refused--> fault --found--> opening (it may have been put right)
      '--missing-- from anywhere
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from posd.drivers.containment import DriverCrashed
from posd.errors import ConfigError, DeviceBusy, DeviceDenied, PosdError
from posd.events import DeviceState


class Outcome(StrEnum):
    """What the supervisor learned."""

    MISSING = "missing"
    FOUND = "found"
    OPENED = "opened"
    GONE = "gone"
    REFUSED = "refused"
    """A person has to do something: another program, a permission, a setting, a broken plug-in."""
    RELEASED = "released"


def next_state(state: DeviceState, outcome: Outcome) -> DeviceState:
    match outcome:
        case Outcome.MISSING:
            return DeviceState.ABSENT
        case Outcome.FOUND:
            return DeviceState.OPENING
        case Outcome.OPENED:
            return DeviceState.READY
        case Outcome.GONE:
            return DeviceState.LOST if state is DeviceState.READY else DeviceState.WAITING
        case Outcome.REFUSED:
            return DeviceState.FAULT
        case Outcome.RELEASED:
            return DeviceState.WAITING if state is DeviceState.LOST else state
        case _:
            assert_never(outcome)


def outcome_of(error: PosdError) -> Outcome:
    """Whether it may come right by itself or a person is needed."""
    if isinstance(error, DeviceBusy | DeviceDenied | DriverCrashed | ConfigError):
        return Outcome.REFUSED
    return Outcome.GONE


def worth_telling(told: DeviceState, state: DeviceState) -> bool:
    """A further try at a device that could not be opened is no news until it ends differently."""
    return not (state is DeviceState.OPENING and told in (DeviceState.WAITING, DeviceState.FAULT))
