"""Google Wallet: SELECT Smart Tap where the phone's nonce is still missing, negotiate a channel, get the pass, in parts
where it is long. Status words of the class 9x (Google's reference, "Status words"): the first byte says what to do.
"""

from __future__ import annotations

from posd.cards.iso7816 import CommandApdu, ResponseApdu, StatusWord, select_application
from posd.cards.reads import Refusal, RejectReason
from posd.cards.scripts.dialogue import Script, ask
from posd.cards.scripts.setup import Card
from posd.cards.smart_tap import Offer, phone_nonce_in, phone_nonce_of

AID = bytes.fromhex("A000000476D0000111")
_NEGOTIATE, _GET_DATA, _MORE_DATA = 0x53, 0x50, 0xC0
_MORE, _NO_PASS = 0x9100, frozenset({0x9001, 0x9102})
_MOST_PARTS = 64
"""Of 256 bytes; a pass comes in one or two."""

_WHY = {
    0x92: "the phone was not ready; tap again",
    0x93: "the customer must unlock the phone or choose a pass, then tap again",
    0x94: "the phone refuses: it was asked too often or wrongly; wait a moment, then tap again",
    0x95: "the phone does not accept the shop; compare collector_id, key_version and key_file with Google's console",
}
_NONE = Refusal(RejectReason.EMPTY_PHONE, "Google Wallet has no pass of this collector")
_NOT_ASKED = Refusal(RejectReason.EMPTY_PHONE, "a phone with Google Wallet, and [reader.smart_tap] is not configured")


def read_smart_tap(card: Card, fci: bytes) -> Script[str | Refusal]:
    """The redemption value, or why there is none. ``fci``: the phone's answer to SELECT OSE.VAS.01."""
    shop = card.setup.wallets.smart_tap
    if shop is None:
        return _NOT_ASKED
    nonce = phone_nonce_of(fci)
    if nonce is None:
        answer = yield from ask(select_application(AID))
        nonce = phone_nonce_in(answer.data)
        if nonce is None:
            return _why(answer.sw)
    offer = Offer(shop, nonce, card.setup.random_bytes)
    answer = yield from _ask(_NEGOTIATE, offer.request)
    if not answer.sw.ok:
        return _why(answer.sw)
    channel = offer.accepted(answer.data)
    if isinstance(channel, Refusal):
        return channel
    answer = yield from _ask(_GET_DATA, channel.request)
    data = answer.data
    for _ in range(_MOST_PARTS):
        if answer.sw != _MORE:
            break
        answer = yield from _ask(_MORE_DATA, b"")
        data += answer.data
    return channel.value(data) if _is_complete(answer.sw) else _why(answer.sw)


def _ask(instruction: int, data: bytes) -> Script[ResponseApdu]:
    return (yield from ask(CommandApdu(0x90, instruction, 0x00, 0x00, data, 256)))


def _is_complete(sw: StatusWord) -> bool:
    """9000 and every other success: 9101 means that the phone is not ready to pay."""
    return sw >> 8 in (0x90, 0x91) and sw != _MORE and sw not in _NO_PASS


def _why(sw: StatusWord) -> Refusal:
    if sw in _NO_PASS:
        return _NONE
    return Refusal(RejectReason.EMPTY_PHONE, _WHY.get(sw >> 8, f"Google Wallet gave no pass (status {sw!r})"))
