"""Is it a phone with a wallet that the shop reads? Both wallets answer to one name and say which one they are.

Phones answer the payment directory too. A phone that carries no pass of the club is therefore told apart here, from
every other card, and is asked nothing more; what answers otherwise may still be a payment card.
"""

from __future__ import annotations

from posd.cards import ber_tlv
from posd.cards.chip import APPLE_VAS, SMART_TAP, ChipContents
from posd.cards.iso7816 import select_application
from posd.cards.reads import Refusal
from posd.cards.scripts.apple_vas import read_apple_vas
from posd.cards.scripts.dialogue import Script, ask
from posd.cards.scripts.setup import Card
from posd.cards.scripts.smart_tap import read_smart_tap

WALLETS_NAME = b"OSE.VAS.01"
_LABEL = 0x50
GOOGLE, APPLE = b"AndroidPay", b"ApplePay"


def read_phone(card: Card) -> Script[ChipContents | None]:
    """The pass; the refusal of a phone that shows none; None for what is no phone, or where no wallet is read."""
    if not card.setup.wallets.any or not card.kind.contactless:
        return None
    answer = yield from ask(select_application(WALLETS_NAME))
    wallet = _wallet(answer.data) if answer.sw.selected else None
    found: str | Refusal
    if wallet == GOOGLE:
        name, found = SMART_TAP, (yield from read_smart_tap(card, answer.data))
    elif wallet == APPLE:
        name, found = APPLE_VAS, (yield from read_apple_vas(card))
    else:
        return None
    if isinstance(found, Refusal):
        return ChipContents(refusal=found.reason, detail=found.detail)
    return ChipContents(card.atr, None, {name: found.encode()})


def _wallet(fci: bytes) -> bytes | None:
    try:
        return ber_tlv.find(fci, _LABEL)
    except ber_tlv.TlvError:
        return None
