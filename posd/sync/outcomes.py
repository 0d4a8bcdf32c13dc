"""What can come back from the club, and what a till makes of it: the words of `posd.sync.policy`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why entries are not being delivered; stable, for the page, the API and ``posd doctor``."""

    NOT_TRIED = "not_tried"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TLS = "tls"
    NOT_THE_CLUB = "not_the_club"
    CLUB_BUSY = "club_busy"
    CLUB_FAULT = "club_fault"
    TOO_LARGE = "too_large"
    NOT_ACCEPTED = "not_accepted"
    FORK = "fork"
    NOT_UNDERSTOOD = "not_understood"
    CURSOR_TOO_OLD = "cursor_too_old"
    TILL_LEDGER = "till_ledger"
    NOBODY_SYNCS = "nobody_syncs"


ADVICE: dict[Reason, str] = {
    Reason.NOT_TRIED: "the club has not been asked yet; wait a moment",
    Reason.UNREACHABLE: "the club cannot be reached: check the network cable, the router and the club's address",
    Reason.TIMEOUT: "the club does not answer in time: check the internet connection",
    Reason.TLS: "the club's certificate is not trusted: check the till's date and the option ca_file",
    Reason.NOT_THE_CLUB: "a login page or a filter answers in place of the club: open the club's address in a browser",
    Reason.CLUB_BUSY: "the club asks to wait; nothing to do",
    Reason.CLUB_FAULT: "the club has a fault of its own: look at its log with 'journalctl -u posd-club'",
    Reason.TOO_LARGE: "something between till and club refuses large requests: raise its limit to 1 MB",
    Reason.NOT_ACCEPTED: "the club does not accept this till: see 'Tills' on the club's page, then run 'posd sync now'",
    Reason.FORK: "the club has other entries of this till (a restored copy or a clone): keep selling, call support",
    Reason.NOT_UNDERSTOOD: "till and club do not understand each other: update both to the same release",
    Reason.CURSOR_TOO_OLD: "the till was away for long and loads the club's members afresh; nothing to do",
    Reason.TILL_LEDGER: "the till's ledger does not answer: run 'posd doctor'",
    Reason.NOBODY_SYNCS: "nothing runs that talks to the club: start it with 'systemctl start posd-sync'",
}
"""What to do next, one line each, for the technician."""


class Failure(StrEnum):
    """Why there was no answer at all."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TLS = "tls"
    GARBLED = "garbled"
    """Not HTTP, broken off in the middle, or larger than any answer of a club."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from one attempt, reduced to what decides.

    ``status``: HTTP status, 0 when ``failure`` is set. ``html``: the body is a page for people, so no club wrote it.
    ``echoed``: the body is a version 1 envelope and repeats a position of this till's own chain (for a push), or is
    otherwise unmistakably the club's. ``retry_after`` and ``date``: those headers as they came.
    """

    status: int = 0
    failure: Failure | None = None
    html: bool = False
    echoed: bool = False
    retry_after: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The club has it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The same bytes again, later; ``after_s`` when the club said when."""

    reason: Reason
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """The club refuses this till. A person must act; asks again every `PAUSE_S` and counts no attempts."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Halt:
    """Sending more would be wrong. Alarm; entries keep accumulating."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Shrink:
    """The request was too large: send half."""

    reason: Reason = Reason.TOO_LARGE


@dataclass(frozen=True, slots=True)
class StartOver:
    """The cursor is too old: ask again without one."""

    reason: Reason = Reason.CURSOR_TOO_OLD


Outcome = Delivered | Retry | Pause | Halt | Shrink | StartOver
