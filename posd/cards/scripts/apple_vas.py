"""Apple Wallet: GET DATA for each pass type of the shop, in order, until the phone has a pass of it."""

from __future__ import annotations

from posd.cards.apple_vas import message_in, request
from posd.cards.iso7816 import CommandApdu
from posd.cards.reads import Refusal, RejectReason
from posd.cards.scripts.dialogue import Script, ask
from posd.cards.scripts.setup import Card

_NO_SUCH_PASS = 0x6A83
_WHY = {0x6287: "the customer must unlock the phone, then tap again"}

_NONE = Refusal(RejectReason.EMPTY_PHONE, "Apple Wallet has no pass of these pass_type_ids")
_NOT_ASKED = Refusal(RejectReason.EMPTY_PHONE, "a phone with Apple Wallet, and [reader.apple_vas] is not configured")


def read_apple_vas(card: Card) -> Script[str | Refusal]:
    """The pass's message, or why there is none."""
    shop = card.setup.wallets.apple_vas
    if shop is None:
        return _NOT_ASKED
    last = shop.config.pass_type_ids[-1]
    for name in shop.config.pass_type_ids:
        answer = yield from ask(CommandApdu(0x80, 0xCA, 0x01, 0x01, request(name, more_follow=name != last), 256))
        if answer.sw == _NO_SUCH_PASS:
            continue
        if answer.sw.ok:
            return message_in(answer.data, shop, name, card.setup.unix_seconds)
        why = _WHY.get(answer.sw, f"Apple Wallet gave no pass (status {answer.sw!r})")
        return Refusal(RejectReason.EMPTY_PHONE, why)
    return _NONE
