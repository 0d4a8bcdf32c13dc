"""The member number of a GS1 code: the GSRN of AI 8018, from an element string or a Digital Link.

AI 8017 is the same kind of number for the shop's own people, and 8019 tells the cards of one member apart; all of them
are one member here, so it is left out.
"""

from __future__ import annotations

from posd.cards.gs1 import GS, MEMBER, STAFF, Elements, Gs1CheckError, Gs1Error, member_numbers, parse_elements
from posd.cards.gs1_link import parse_link
from posd.cards.reads import Refusal, RejectReason
from posd.cards.symbologies import GS1_CARRIERS


def member_number(data: str, symbology: str | None = None) -> str | Refusal | None:
    """18 digits; or why a code that should carry them does not; None if it is another kind of code."""
    certain = symbology in GS1_CARRIERS or data.startswith("(")
    bare = data.removeprefix(GS)
    try:
        if link := parse_link(data):
            return _number(link)
        return _number(parse_elements(bare))
    except Gs1CheckError as error:
        is_code = certain or "://" in data
        return Refusal(RejectReason.BAD_CHECK, str(error)) if is_code else None
    except Gs1Error:
        return _without_fnc1(bare) if certain else None


def _number(elements: Elements) -> str | Refusal | None:
    if any(ai == STAFF for ai, _ in elements):
        return Refusal(RejectReason.OTHER_CLUB, "AI 8017 numbers staff, not members (8018)")
    numbers = {value for ai, value in elements if ai == MEMBER}
    return _AMBIGUOUS if len(numbers) > 1 else next(iter(numbers), None)


def _without_fnc1(data: str) -> str | Refusal | None:
    """A scanner may have dropped FNC1. The number counts if there is only one way to read the code."""
    numbers = member_numbers(data)
    if len(numbers) > 1:
        return _AMBIGUOUS
    return next(iter(numbers), None)


_AMBIGUOUS = Refusal(
    RejectReason.UNREADABLE, "the code can be read in two ways; set the scanner to send FNC1 as GS (Ctrl+])"
)
