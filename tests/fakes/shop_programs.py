"""Programs, members and baskets for tests: the shipped templates, and small ones with the keys that a test names."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from posd.loyalty.model import PIECE, Basket, Line, MemberView
from posd.loyalty.programs import TEMPLATES, Program, parse_program, program_from_toml
from posd.words import Words

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For properties: a busy machine is slow, and that says nothing about the rules."""

NOW_MS = 1_795_291_200_000
"""A day in November 2026; most programs here do not look at it."""

MEMBER = "0197aaaaaaaa7bbb8cccdddddddddddd"

POINTS_RULE: Mapping[str, Any] = {
    "kind": "earn_per_amount",
    "id": "base",
    "earn": 1,
    "per_minor": 100_000,
    "basis": "payable",
    "rounding": "floor",
}


def template_text(name: str) -> str:
    return files("posd.loyalty").joinpath("templates", name + ".toml").read_text("utf-8")


def template(name: str) -> Program:
    return parsed(program_from_toml(template_text(name)))


def both_on_one_card() -> tuple[Program, ...]:
    return tuple(template(name) for name in TEMPLATES)


def program(*rules: Mapping[str, Any], **keys: Any) -> Program:
    document = {"id": "club", "version": 1, "currency": "IRR", "name": {"en": "Club"}, "rules": list(rules), **keys}
    return parsed(parse_program(document))


def parsed(result: Any) -> Program:
    assert isinstance(result, Program), [str(problem) for problem in result]
    return result


def member(*, usable: Mapping[str, int] | None = None, reason: Words | None = None, **balances: int) -> MemberView:
    """``member(PTS=1284, usable={"PTS": 0})``"""
    return MemberView(MEMBER, None, balances, balances if usable is None else usable, reason)


def basket(*amounts_minor: int, currency: str = "IRR", **redeem: int) -> Basket:
    """``basket(100_000, 20_000, PTS=50)``: lines of one piece each."""
    lines = tuple(Line(n, amount, name=f"item {n}") for n, amount in enumerate(amounts_minor, start=1))
    return Basket(currency, lines, redeem)


UNITS = ("PTS", "CREDIT")
_ROUNDING = st.sampled_from(("floor", "half_up"))
_BASIS = st.sampled_from(("payable", "total"))


def _earn_per_amount(rule_id: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "kind": st.just("earn_per_amount"),
            "id": st.just(rule_id),
            "earn": st.integers(1, 50),
            "per_minor": st.integers(1, 200_000),
            "basis": _BASIS,
            "rounding": _ROUNDING,
            "unit": st.sampled_from(UNITS),
        }
    )


def _earn_percent(rule_id: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "kind": st.just("earn_percent"),
            "id": st.just(rule_id),
            "basis_points": st.integers(1, 10_000),
            "basis": _BASIS,
            "rounding": _ROUNDING,
            "round_to": st.sampled_from((1, 10, 1000)),
        }
    )


@st.composite
def _redeem(draw: st.DrawFn, rule_id: str) -> dict[str, Any]:
    spend = draw(st.integers(1, 20))
    return {
        "kind": "redeem",
        "id": rule_id,
        "unit": draw(st.sampled_from(UNITS)),
        "spend": spend,
        "worth_minor": draw(st.integers(1, 5_000)),
        "step": spend * draw(st.integers(1, 10)),
        "minimum": draw(st.integers(1, 300)),
        "max_share_permille": draw(st.integers(1, 1000)),
    }


@st.composite
def any_program(draw: st.DrawFn, program_id: str) -> Program:
    """A program with one to four rules that earn and redeem."""
    kinds = draw(st.lists(st.sampled_from((_earn_per_amount, _earn_percent, _redeem)), min_size=1, max_size=4))
    return program(*(draw(kind(f"r{n}")) for n, kind in enumerate(kinds)), id=program_id)


@st.composite
def any_programs(draw: st.DrawFn) -> tuple[Program, ...]:
    return tuple(draw(any_program(program_id)) for program_id in draw(st.sets(st.sampled_from("abc"), min_size=1)))


@st.composite
def any_member(draw: st.DrawFn) -> MemberView:
    balances = {unit: draw(st.integers(-500, 2_000_000)) for unit in UNITS}
    usable = {
        unit: draw(st.integers(min(balance, 0), balance)) if balance > 0 else balance
        for unit, balance in balances.items()
    }
    return MemberView(MEMBER, None, balances, usable)


@st.composite
def any_basket(draw: st.DrawFn) -> Basket:
    """One to eight lines, among them weighed goods, gifts and a discount that never exceeds the rest."""
    amounts = draw(st.lists(st.integers(0, 3_000_000), min_size=1, max_size=8))
    if draw(st.booleans()):
        amounts.append(-draw(st.integers(0, sum(amounts))))
    quantities = [draw(st.sampled_from((PIECE, 2 * PIECE, 7 * PIECE, 335))) for _ in amounts]
    lines = [
        Line(n, amount, quantity_milli=milli)
        for n, (amount, milli) in enumerate(zip(amounts, quantities, strict=True), 1)
    ]
    redeem = {unit: draw(st.integers(0, 2_000_000)) for unit in draw(st.sets(st.sampled_from(UNITS)))}
    return Basket("IRR", tuple(draw(st.permutations(lines))), redeem)
