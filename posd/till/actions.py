"""From what the page sends to what happened: the shell looks up here what the rules may not look up themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from posd.cards.phone import BadPhone, mask_phone, normalise_phone
from posd.ledger.members import Standing
from posd.till.happenings import (
    ActionMisunderstood,
    AmountTyped,
    Confirmed,
    EnrolStarted,
    EnrolSubmitted,
    FindStarted,
    Happening,
    LanguageChosen,
    MemberSwitched,
    PhoneEntered,
    RefundAllChosen,
    RefundLineChosen,
    RefundStarted,
    Skipped,
    UndoPressed,
    UseChosen,
    WentBack,
)
from posd.till.states import Done, SaleRecord, Selling, Till
from posd.words import Words

Action = Mapping[str, Any]
NAME_LENGTH_MAX = 40
AMOUNT_MAX = 10**15
LANGUAGES = ("en", "fa", "ar")


class Desk(Protocol):
    """What can be looked up or kept secret; `posd.till.lookup.Lookup` in the daemon."""

    def member_by_phone(self, e164: str) -> Standing | None: ...
    def phone_key(self, e164: str) -> str: ...
    def seal(self, document: Mapping[str, Any]) -> str: ...
    def sale(self, sale_id: str) -> SaleRecord | None: ...
    def last_sale(self, member_id: str | None) -> SaleRecord | None: ...
    @property
    def country(self) -> str: ...


def understand(action: Action, till: Till, desk: Desk) -> Happening:
    """The happening that ``action`` stands for; `ActionMisunderstood` for one that is not in the contract."""
    reader = _ACTIONS.get(str(action.get("do")))
    if reader is None:
        return ActionMisunderstood()
    try:
        return reader(action, till, desk)
    except (KeyError, TypeError, ValueError):
        return ActionMisunderstood()


def _amount(action: Action, _till: Till, _desk: Desk) -> Happening:
    value = action["amount_minor"]
    return AmountTyped(None if value is None else _integer(value, AMOUNT_MAX))


def _use(action: Action, _till: Till, _desk: Desk) -> Happening:
    return UseChosen(_text(action["unit"], 16), _flag(action["on"]))


def _find(action: Action, _till: Till, desk: Desk) -> Happening:
    phone = normalise_phone(_text(action["phone"], 32), desk.country)
    if isinstance(phone, BadPhone):
        return PhoneEntered(None, Words("enrol.phone_wrong"))
    return PhoneEntered(desk.member_by_phone(phone))


def _enrol(action: Action, _till: Till, desk: Desk) -> Happening:
    name = " ".join(_text(action.get("name", ""), NAME_LENGTH_MAX).split())
    consent, link = _flag(action.get("consent", False)), _flag(action.get("link", False))
    phone = normalise_phone(_text(action["phone"], 32), desk.country)
    if isinstance(phone, BadPhone):
        return EnrolSubmitted("", "", name, consent, link, "", None, Words("enrol.phone_wrong"))
    return EnrolSubmitted(
        phone_key=desk.phone_key(phone),
        phone_mask=mask_phone(phone, desk.country),
        name=name,
        consent=consent,
        link=link,
        sealed=desk.seal({"phone": phone, "name": name, "consent": consent}),
        holder=desk.member_by_phone(phone),
    )


def _refund_start(action: Action, till: Till, desk: Desk) -> Happening:
    sale_id = action.get("sale_id")
    if sale_id is not None:
        return RefundStarted(desk.sale(_text(sale_id, 32)))
    customer = till.state.customer if isinstance(till.state, Selling) else None
    return RefundStarted(desk.last_sale(None if customer is None else customer.member_id))


def _refund_line(action: Action, _till: Till, _desk: Desk) -> Happening:
    return RefundLineChosen(_integer(action["n"], 10**6), _integer(action["quantity_milli"], 10**9))


def _undo(_action: Action, till: Till, desk: Desk) -> Happening:
    done = till.state.draft.entry_id.hex() if isinstance(till.state, Done) else ""
    return UndoPressed(desk.sale(done) if done else None)


def _language(action: Action, _till: Till, _desk: Desk) -> Happening:
    if action["language"] not in LANGUAGES:
        raise ValueError("language")
    return LanguageChosen(action["language"])


def _plain(happening: Happening) -> Callable[[Action, Till, Desk], Happening]:
    return lambda _action, _till, _desk: happening


_ACTIONS: dict[str, Callable[[Action, Till, Desk], Happening]] = {
    "amount": _amount,
    "use": _use,
    "confirm": _plain(Confirmed()),
    "back": _plain(WentBack()),
    "skip": _plain(Skipped()),
    "switch_member": _plain(MemberSwitched()),
    "find_start": _plain(FindStarted()),
    "find": _find,
    "enrol_start": _plain(EnrolStarted()),
    "enrol": _enrol,
    "refund_start": _refund_start,
    "refund_line": _refund_line,
    "refund_all": _plain(RefundAllChosen(everything=True)),
    "refund_none": _plain(RefundAllChosen(everything=False)),
    "undo": _undo,
    "language": _language,
}


def _integer(value: Any, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("not a whole number in range")
    return value


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("not true or false")
    return value


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError("not a text of that length")
    return value
