"""Integers from fractions: the two roundings an owner may state, and shares that sum exactly."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from posd.loyalty.model import Share


class Rounding(StrEnum):
    """``floor``: what is not complete does not count. ``half_up``: from one half on it counts as one."""

    FLOOR = "floor"
    HALF_UP = "half_up"


def rounded(numerator: int, denominator: int, rounding: Rounding) -> int:
    """``numerator / denominator`` as a whole number; both are not negative."""
    if rounding is Rounding.HALF_UP:
        return (2 * numerator + denominator) // (2 * denominator)
    return numerator // denominator


def least_numerator(wanted: int, denominator: int, rounding: Rounding) -> int:
    """The smallest numerator for which `rounded` gives ``wanted`` (at least 1)."""
    if rounding is Rounding.HALF_UP:
        return ceiling((2 * wanted - 1) * denominator, 2)
    return wanted * denominator


def ceiling(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


def split(figure: int, weights: Mapping[int, int]) -> tuple[Share, ...]:
    """``figure`` over the lines by weight, by the largest remainder (Hamilton): the shares sum to it exactly and each
    is less than one away from its exact part. Equal remainders go to the lower line number, so the order of ``weights``
    does not matter. Shares of zero are left out. A figure above zero needs a weight above zero.
    """
    if figure == 0:
        return ()
    whole = sum(weights.values())
    shares = {n: figure * weight // whole for n, weight in weights.items()}
    missing = figure - sum(shares.values())
    by_remainder = sorted(weights, key=lambda n: (-(figure * weights[n] % whole), n))
    for n in by_remainder[:missing]:
        shares[n] += 1
    return tuple(Share(n, shares[n]) for n in sorted(shares) if shares[n])


def part_returned(figure: int, returned_milli: int, sold_milli: int) -> int:
    """How much of a line's ``figure`` has fallen back once ``returned_milli`` of ``sold_milli`` came back.

    Refunds book the difference between two of these, so that any way of splitting a return sums exactly to the
    figure (the residue rule): what is not complete yet stays, and the last piece brings all that is left.
    """
    part = abs(figure) * returned_milli // sold_milli
    return part if figure >= 0 else -part
