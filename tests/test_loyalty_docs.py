"""`docs/programs.md` is true: each program on it is one, and each table of figures comes out with the one above it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posd.loyalty.evaluation import quote
from posd.loyalty.model import Basket, Line, MemberView, RefundLine, RefundQuote
from posd.loyalty.programs import Program, program_from_toml
from posd.loyalty.refunds import refund_quote
from posd.loyalty.tiers import tier_for, tier_path
from posd.loyalty.welcome import welcome_gift
from posd.till.booking import SaleContext, refund_draft, sale_draft
from tests.fakes.clock import FakeClock
from tests.fakes.shop_programs import MEMBER, NOW_MS, parsed

PAGE = (Path(__file__).parents[1] / "docs" / "programs.md").read_text("utf-8")
PART = re.compile(r"^```toml\n(?P<toml>.*?)^```|(?P<table>(?:^\|[^\n]*\n)+)", re.DOTALL | re.MULTILINE)
SALES = ["buys", "has", "uses", "pays", "earns"]
TIERS = ["bought in the window", "tier", "missing to the next"]
RETURNS = ["comes back", "of", "money back", "given back", "taken back"]


@dataclass(frozen=True)
class Example:
    """A table of the page and the program above it."""

    program: Program
    header: list[str]
    rows: list[list[str]]


def examples(page: str) -> Iterator[Example]:
    program: Program | None = None
    for part in PART.finditer(page):
        if part["toml"]:
            program = parsed(program_from_toml(part["toml"]))
        elif program is not None:
            header, _, *rows = (
                [cell.strip() for cell in row.strip("|").split("|")] for row in part["table"].splitlines()
            )
            yield Example(program, header, rows)


def with_header(header: list[str]) -> list[Example]:
    return [example for example in examples(PAGE) if example.header == header]


def amounts(cell: str) -> dict[str, int]:
    """``1284 PTS, 60000 CREDIT``"""
    pairs = (part.split() for part in cell.split(",") if part.strip())
    return {unit: int(amount) for amount, unit in pairs}


def test_every_sale_on_the_page_comes_out_so() -> None:
    found = with_header(SALES)
    assert [len(example.rows) for example in found] == [4, 3, 5]
    for example in found:
        for buys, has, uses, pays, earns in example.rows:
            lines = tuple(Line(n, int(amount)) for n, amount in enumerate(buys.split("+"), start=1))
            who = MemberView(MEMBER, None, amounts(has), amounts(has))
            answer = quote([example.program], who, Basket("IRR", lines, amounts(uses)), NOW_MS)
            figures = (answer.payable_minor, {it.unit: it.earned for it in answer.earnings})
            assert figures == (int(pays), amounts(earns)), (example.program.id, buys)


def test_every_tier_on_the_page_comes_out_so() -> None:
    (example,) = with_header(TIERS)
    assert len(example.rows) == 5
    for bought, tier, missing in example.rows:
        path = tier_path([example.program], int(bought))
        assert tier_for([example.program], int(bought)) == tier
        assert (path.missing_minor if path else None) == (int(missing) if missing else None)


def test_every_return_on_the_page_comes_out_so() -> None:
    (example,) = with_header(RETURNS)
    goods = Basket("IRR", (Line(1, 300_000, quantity_milli=3000), Line(2, 100_000)), {"PTS": 200})
    answer = quote([example.program], MemberView(MEMBER, None, {"PTS": 200}, {"PTS": 200}), goods, NOW_MS)
    at, context = FakeClock().now(), SaleContext()
    sale = sale_draft(bytes(16), at, member=MEMBER, lines=goods.lines, quote=answer, context=context)
    assert (sale.body["payable_minor"], sale.body["earnings"][0]["earned"]) == (200_000, 2)
    assert sale.body["redemptions"][0]["value_shares"] == [[1, 150_000], [2, 50_000]]
    already: list[Mapping[str, Any]] = []
    for pieces, line, money, given, taken in example.rows:
        wanted = RefundLine(int(line.removeprefix("line ")), int(pieces) * 1000)
        back = refund_quote(sale.body, already, [wanted])
        assert isinstance(back, RefundQuote)
        assert (back.pay_back_minor, back.given_back, back.taken_back) == (int(money), amounts(given), amounts(taken))
        already.append(refund_draft(bytes(16), at, sale=sale, quote=back).body)
    assert len(already) == 4


def test_every_kind_of_rule_has_a_program_on_the_page() -> None:
    texts = [part["toml"] for part in PART.finditer(PAGE) if part["toml"]]
    programs = [parsed(program_from_toml(text)) for text in texts]
    kinds = {rule.kind for it in programs for rule in it.rules}
    assert kinds == {"earn_per_amount", "earn_percent", "redeem", "tiers", "enrol_gift"}
    assert welcome_gift(programs, NOW_MS) == {"PTS": 50}


def test_the_message_on_the_page_is_the_one_that_comes() -> None:
    text = (Path(__file__).parents[1] / "posd/loyalty/templates/points_per_amount.toml").read_text("utf-8")
    found = program_from_toml(text.replace("per_minor", "per_minr"))
    assert isinstance(found, list)
    assert f"`{found[0]}`" in PAGE
