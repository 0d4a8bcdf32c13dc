"""The quote: both programs on one card, points and credit in use. ``python -m bench.bench_quote``

Baseline: the standard library's `json.dumps` of the same basket, which is what a register does to ask for the quote.
A quote looks at one member only, so its time does not depend on how many there are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from importlib.resources import files
from time import perf_counter

from bench.rounds import Case, show, take_turns
from posd.loyalty.evaluation import quote
from posd.loyalty.model import Basket, Line, MemberView, RefundQuote
from posd.loyalty.programs import TEMPLATES, Program, program_from_toml
from posd.loyalty.refunds import refund_quote, whole_rest
from posd.machine import SystemClock, Uuid7Source
from posd.till.booking import SaleContext, sale_draft

BASE = "json.dumps of the basket"
SIZES = (1, 10, 100)
ROUNDS = 9
CALLS = 2000
MEMBER = "0197aaaaaaaa7bbb8cccdddddddddddd"


def shipped_programs() -> tuple[Program, ...]:
    """The templates that posd ships. Raises ValueError when one is no program."""
    programs = []
    for name in TEMPLATES:
        program = program_from_toml(files("posd.loyalty").joinpath("templates", name + ".toml").read_text("utf-8"))
        if not isinstance(program, Program):
            raise ValueError(f"{name}: {'; '.join(map(str, program))}")  # noqa: TRY004  a wrong text, not a wrong type
        programs.append(program)
    return tuple(programs)


def basket(size: int) -> Basket:
    """``size`` lines of goods, with points and credit to be used."""
    lines = tuple(Line(n, 128_800 + 7 * n, f"goods {n}", f"626{n:010}", "food", 1000) for n in range(1, size + 1))
    return Basket("IRR", lines, {"PTS": 110, "CREDIT": 18_600})


def document(goods: Basket) -> dict[str, object]:
    """What a register sends to ask for the quote."""
    lines = [
        {
            "n": line.n,
            "name": line.name,
            "sku": line.sku,
            "category": line.category,
            "quantity_milli": line.quantity_milli,
            "amount_minor": line.amount_minor,
        }
        for line in goods.lines
    ]
    return {"currency": goods.currency, "lines": lines, "redeem": dict(goods.redeem)}


def timed(work: Callable[[], object], calls: int) -> Case:
    def run() -> float:
        start = perf_counter()
        for _ in range(calls):
            work()
        return calls / (perf_counter() - start)

    return run


def cases(size: int, programs: tuple[Program, ...]) -> dict[str, Case]:
    goods, asked, calls = basket(size), document(basket(size)), max(CALLS // size, 50)
    who = MemberView(MEMBER, "silver", {"PTS": 1284, "CREDIT": 186_000}, {"PTS": 1284, "CREDIT": 186_000})
    figures = quote(programs, who, goods, 0)
    now, new_id = SystemClock().now(), Uuid7Source()
    context = SaleContext(cashier="Sara", medium="magstripe")
    sold = sale_draft(new_id(), now, member=MEMBER, lines=goods.lines, quote=figures, context=context)
    everything = whole_rest(sold.body, [])
    if len(figures.redemptions) != 2 or not isinstance(refund_quote(sold.body, [], everything), RefundQuote):
        raise ValueError("the basket no longer spends points and credit; this would measure something else")
    return {
        BASE: timed(lambda: json.dumps(asked), calls),
        "quote": timed(lambda: quote(programs, who, goods, 0), calls),
        "sale_draft": timed(
            lambda: sale_draft(b"0" * 16, now, member=MEMBER, lines=goods.lines, quote=figures, context=context), calls
        ),
        "refund_quote of everything": timed(lambda: refund_quote(sold.body, [], everything), calls),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    programs = shipped_programs()
    for size in SIZES:
        title = f"evaluation, {size} line{'s' if size > 1 else ''}"
        show(title, take_turns(cases(size, programs), arguments.rounds), BASE)


if __name__ == "__main__":
    main()
