"""Is it a payment card? Then nothing further is asked of it, and no UID is kept (EMV Book 1 §11 and §12)."""

from __future__ import annotations

from posd.cards import ber_tlv
from posd.cards.chip import ChipContents
from posd.cards.iso7816 import select_application
from posd.cards.reads import RejectReason
from posd.cards.scripts.dialogue import Script, ask
from posd.cards.scripts.setup import Card

CONTACTLESS_PAYMENT = b"2PAY.SYS.DDF01"
CONTACT_PAYMENT = b"1PAY.SYS.DDF01"
_PAYMENT_AIDS = tuple(
    bytes.fromhex(aid)
    for aid in ("A000000003", "A000000004", "A000000333", "A000000025", "A000000658", "A000000672", "A000000065")
)
"""Contact cards may come without a directory: Visa, Mastercard and Maestro, UnionPay, American Express, Mir, Troy, JCB,
each by its registered provider alone (partial DF name)."""


def refuse_payment(card: Card) -> Script[ChipContents | None]:
    """The refusal of a payment card; None for any other."""
    if (yield from _is_payment_card(contactless=card.kind.contactless)):
        return ChipContents(refusal=RejectReason.PAYMENT_CARD)
    return None


def _is_payment_card(*, contactless: bool) -> Script[bool]:
    name = CONTACTLESS_PAYMENT if contactless else CONTACT_PAYMENT
    answer = yield from ask(select_application(name))
    if answer.sw.selected and _is_directory(answer.data, name):
        return True
    if contactless:
        return False
    for aid in _PAYMENT_AIDS:
        answer = yield from ask(select_application(aid))
        if answer.sw.selected and _names(answer.data, aid):
            return True
    return False


def _is_directory(fci: bytes, name: bytes) -> bool:
    """Some simple cards say 9000 to every SELECT, so the answer must say that it is the payment directory: by its name
    (tag 84) or by an application that it lists (tag 4F). What is there but cannot be parsed counts as one."""
    try:
        return any((tag == 0x84 and value == name) or tag == 0x4F for tag, value in ber_tlv.walk(fci))
    except ber_tlv.TlvError:
        return True


def _names(fci: bytes, aid: bytes) -> bool:
    try:
        return any(tag == 0x84 and value.startswith(aid) for tag, value in ber_tlv.walk(fci))
    except ber_tlv.TlvError:
        return True
