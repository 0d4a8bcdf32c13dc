"""What a return does: money back, earned points taken back, spent points given back, by line and quantity.

Everything is read from the body of the sale's own entry, so a refund follows the rules of the day of the sale. Each
figure of a line falls back in proportion to what was returned of it in all, and a refund books the difference to what
had fallen back before: any way of splitting a return sums exactly, and returning everything leads back to the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from posd.loyalty.model import RefundLine, RefundQuote
from posd.loyalty.rounding import part_returned
from posd.words import Words, quantity

Body = Mapping[str, Any]
"""The body of an entry, as `posd.till.booking` writes it and JSON brings it back."""


def returned_before(already: Iterable[Body]) -> dict[int, int]:
    """Line number → thousandths that the refunds in ``already`` took back."""
    returned: dict[int, int] = {}
    for body in already:
        for line in body["lines"]:
            returned[line["n"]] = returned.get(line["n"], 0) + line["quantity_milli"]
    return returned


def refund_quote(
    sale_body: Body,
    already: Sequence[Body],
    wanted: Sequence[RefundLine],
    balances: Mapping[str, int] | None = None,
) -> RefundQuote | Words:
    """What returning ``wanted`` means, or the reason why it cannot be.

    ``already``: bodies of the refunds of this sale so far. ``balances``: the member's, to warn when points of the sale
    are already used; a return is never refused for that, the rest comes off later earnings.
    """
    if any("lines" not in body for body in already):  # only a void has none
        return Words("refund.not_found")
    lines = {line["n"]: line for line in sale_body["lines"]}
    before = returned_before(already)
    now = _wanted_by_line(wanted)
    reason = _reason_against(lines, before, now)
    if reason:
        return reason
    part = _Part(lines, before, now)
    values = _by_line(redemption["value_shares"] for redemption in sale_body["redemptions"])
    back_minor = part.of({n: line["amount_minor"] - values.get(n, 0) for n, line in lines.items()})
    taken = part.per_unit((earning["unit"], earning["shares"]) for earning in sale_body["earnings"])
    given = part.per_unit((redemption["unit"], redemption["spent_shares"]) for redemption in sale_body["redemptions"])
    return RefundQuote(
        lines=tuple(RefundLine(n, now[n]) for n in sorted(now)),
        gross_minor=back_minor + part.of(values),
        pay_back_minor=back_minor,
        taken_back=taken,
        given_back=given,
        warnings=_warnings(taken, given, balances),
    )


def whole_rest(sale_body: Body, already: Sequence[Body]) -> tuple[RefundLine, ...]:
    """Everything of the sale that has not come back yet."""
    before = returned_before(already)
    rest = ((line["n"], line["quantity_milli"] - before.get(line["n"], 0)) for line in sale_body["lines"])
    return tuple(RefundLine(n, left) for n, left in rest if left > 0)


class _Part:
    """The part of figures that falls back now, between what was returned before and after this refund."""

    def __init__(self, lines: Mapping[int, Body], before: Mapping[int, int], now: Mapping[int, int]) -> None:
        self._spans = {
            n: (before.get(n, 0), before.get(n, 0) + quantity_milli, lines[n]["quantity_milli"])
            for n, quantity_milli in now.items()
        }

    def of(self, figures: Mapping[int, int]) -> int:
        """``figures``: line number → what the line has of something."""
        return sum(
            part_returned(figures.get(n, 0), after, sold) - part_returned(figures.get(n, 0), before, sold)
            for n, (before, after, sold) in self._spans.items()
        )

    def per_unit(self, shares: Iterable[tuple[str, Sequence[Sequence[int]]]]) -> dict[str, int]:
        """Unit → what falls back; units of which nothing does are left out."""
        totals: dict[str, int] = {}
        for unit, pairs in shares:
            totals[unit] = totals.get(unit, 0) + self.of(_by_line([pairs]))
        return {unit: amount for unit, amount in totals.items() if amount}


def _by_line(shares: Iterable[Sequence[Sequence[int]]]) -> dict[int, int]:
    totals: dict[int, int] = {}
    for pairs in shares:
        for n, amount in pairs:
            totals[n] = totals.get(n, 0) + amount
    return totals


def _wanted_by_line(wanted: Iterable[RefundLine]) -> dict[int, int]:
    now: dict[int, int] = {}
    for line in wanted:
        if line.quantity_milli > 0:
            now[line.n] = now.get(line.n, 0) + line.quantity_milli
    return now


def _reason_against(lines: Mapping[int, Body], before: Mapping[int, int], now: Mapping[int, int]) -> Words | None:
    if not now:
        return Words("refund.items", {"count": 0})
    for n in sorted(now):
        if n not in lines:
            return Words("refund.line_unknown", {"count": n})
        if before.get(n, 0) + now[n] > lines[n]["quantity_milli"]:
            return Words("refund.more_than_left", {"item": lines[n]["name"] or str(n)})
    return None


def _warnings(
    taken: Mapping[str, int], given: Mapping[str, int], balances: Mapping[str, int] | None
) -> tuple[Words, ...]:
    after = {unit: balance + given.get(unit, 0) - taken.get(unit, 0) for unit, balance in (balances or {}).items()}
    return tuple(
        Words("refund.points_spent", {"missing": quantity(-after[unit], unit)})
        for unit in sorted(after)
        if after[unit] < 0 and unit in taken
    )
