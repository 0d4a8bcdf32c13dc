"""The club's card rules: which prefixes are its own, and which part of which medium is the member's number.

Rules are tried in order; the first that fits decides. A rule that fits but whose check digit does not hold ends the
search, because the number was misread. Written as the ``[cards]`` tables of the configuration, see ``docs/cards.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from posd.cards.barcode import CODE_ID_TABLES, Scan, why_goods
from posd.cards.candidates import candidates
from posd.cards.card_rule import DEFAULT_RULES, CardRule, Misfit
from posd.cards.chip import LOYALTY
from posd.cards.identity import Identity
from posd.cards.issuers import why_not_own
from posd.cards.loyalty_file import parse_loyalty_file
from posd.cards.reads import BarcodeRead, CardRead, ChipRead, MagstripeRead, Medium, Refusal, RejectedRead, RejectReason
from posd.cards.symbologies import CHECK_STRIPPED
from posd.tables import from_table


@dataclass(frozen=True, slots=True)
class CardRules:
    """The ``[cards]`` table. Raises ValueError for an own prefix that would let bank cards through."""

    own_prefixes: tuple[str, ...] = ()
    rule: tuple[CardRule, ...] = ()
    defaults: bool = True
    """Try `DEFAULT_RULES` behind the club's own."""
    code_ids: Mapping[str, str] = field(default_factory=dict)
    """Reader id → maker's table of one-letter prefixes (`CODE_ID_TABLES`), for scanners that send them."""

    def __post_init__(self) -> None:
        for prefix in self.own_prefixes:
            if why_not := why_not_own(prefix):
                raise ValueError(f"own_prefixes: {prefix!r} {why_not}")
        for reader, table in self.code_ids.items():
            if table not in CODE_ID_TABLES:
                raise ValueError(f"code_ids.{reader}: {table!r} is not one of {', '.join(sorted(CODE_ID_TABLES))}")

    @property
    def rules(self) -> tuple[CardRule, ...]:
        return self.rule + (DEFAULT_RULES if self.defaults else ())

    def code_ids_of(self, reader: str) -> Mapping[str, str] | None:
        return CODE_ID_TABLES[self.code_ids[reader]] if reader in self.code_ids else None


def parse_rules(table: Mapping[str, Any]) -> CardRules:
    """`CardRules` from the ``[cards]`` table. Raises `ConfigError` that names the place and the nearest known key."""
    return from_table(CardRules, table, "[cards]")


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """What became of one rule. ``rule``: its number, name and source. ``why_not`` is empty where it fits, and carries
    nothing of the card."""

    rule: str
    fits: bool
    why_not: str = ""


def identify(read: CardRead, rules: CardRules) -> Identity | RejectedRead:
    """Whose card this is, by the club's rules; or why it is nobody's."""
    for rule in rules.rules:
        match _try(read, rule):
            case str(number):
                return Identity(rule.scheme, number, medium_of(read), _tail(number), rule.earn_only)
            case Refusal() as refusal:
                return _rejected(read, refusal)
    return _rejected(read, _why_nobody(read))


def explain(read: CardRead, rules: CardRules) -> tuple[RuleVerdict, ...]:
    """What became of each rule that was tried, in order: the last one fits, or ends the search, or was the last."""
    verdicts: list[RuleVerdict] = []
    for number, rule in enumerate(rules.rules, start=1):
        called = _called(number, rule, own=number <= len(rules.rule))
        match _try(read, rule):
            case str():
                return (*verdicts, RuleVerdict(called, fits=True))
            case Refusal(reason, detail):
                return (*verdicts, RuleVerdict(called, fits=False, why_not=f"the search ends: {detail or reason}"))
            case Misfit(why):
                verdicts.append(RuleVerdict(called, fits=False, why_not=why))
    return tuple(verdicts)


def medium_of(read: CardRead) -> Medium:
    if isinstance(read, MagstripeRead):
        return Medium.MAGSTRIPE
    return Medium.BARCODE if isinstance(read, BarcodeRead) else Medium.CHIP


def _try(read: CardRead, rule: CardRule) -> str | Misfit | Refusal:
    """The number that the rule finds; why it fits none of its texts; or why the search ends here."""
    misfit = Misfit(f"this read has no {rule.read}")
    stripped = isinstance(read, BarcodeRead) and read.symbology in CHECK_STRIPPED
    for text in candidates(read, rule):
        outcome = rule.number_in(text, check_stripped=stripped) if isinstance(text, str) else text
        if not isinstance(outcome, Misfit):
            return outcome
        misfit = outcome
    return misfit


def _called(number: int, rule: CardRule, *, own: bool) -> str:
    return f"{number} {rule.name or ('own' if own else 'default')} ({rule.read})"


def _why_nobody(read: CardRead) -> Refusal:
    if isinstance(read, BarcodeRead) and (goods := why_goods(Scan(read.data, read.symbology))):
        return goods
    if isinstance(read, ChipRead) and LOYALTY in read.contents:
        file = parse_loyalty_file(read.contents[LOYALTY])
        if isinstance(file, RejectReason):
            return Refusal(file, "the loyalty file is not in posd's layout, or was misread")
    return Refusal(RejectReason.OTHER_CLUB, "no card rule fits; see [[cards.rule]] in docs/cards.md")


def _rejected(read: CardRead, refusal: Refusal) -> RejectedRead:
    return RejectedRead(read.device, read.read_at, medium_of(read), refusal.reason, refusal.detail)


def _tail(number: str) -> str:
    """At most four characters, and never more than a third of the number."""
    shown = min(4, len(number) // 3)
    return number[len(number) - shown :]
