"""Apple VAS 1.0, the reader's half without any I/O: what is asked for one kind of pass, and the pass in the answer. The
phone encrypts it to the shop's public key (ECDH, X9.63-KDF, AES-256-GCM).

That key is in every pass, so anybody can make such an answer, and nothing in it is the reader's: a recorded one can be
shown again while its time fits. A pass may therefore collect and never spend (`posd.cards.card_rule`).

Apple documents this under NDA; source are the public descriptions of it, of which nothing is copied. Not proven against
a real phone.
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

from posd.cards import ber_tlv
from posd.cards.elliptic import PrivateKey, compressed, shared_secret
from posd.cards.reads import Refusal, RejectReason
from posd.cards.wallets import AppleVas

EPOCH_2001 = 978_307_200
"""1 January 2001, from which Apple counts, in Unix seconds."""
LONGEST_MESSAGE = 64
_TAG_BYTES = 16
_KEY_ID_BYTES, _X_BYTES, _TIME_BYTES = 4, 32, 4
_SHORTEST = _KEY_ID_BYTES + _X_BYTES + _TIME_BYTES + 1 + _TAG_BYTES
_LONGEST = _SHORTEST - 1 + LONGEST_MESSAGE

_VERSION, _PASS_TYPE, _MODE, _CRYPTOGRAM = 0x9F22, 0x9F25, 0x9F26, 0x9F27
_VAS_ONLY, _MORE_FOLLOW = 0x02, 0x80
_ZERO_IV = bytes(16)
_LABEL = b"ApplePay encrypted VAS data"
_EVEN_Y = b"\x02"

_NO_VAS = Refusal(RejectReason.UNREADABLE, "the phone's answer is not Apple VAS 1.0")
_OTHER_KEY = Refusal(RejectReason.NOT_GENUINE, "the pass was made for another key than key_file")
_FORGED = Refusal(RejectReason.NOT_GENUINE, "the phone's answer does not decrypt: of another pass type, or forged")
_STALE = Refusal(
    RejectReason.NOT_GENUINE,
    "the phone's clock and the till's are further apart than window_s: a recorded answer, or a clock is wrong",
)


def request(pass_type_id: str, *, more_follow: bool) -> bytes:
    """The data of GET DATA for one pass type. ``more_follow``: another is asked for if the phone has none of it."""
    mode = bytes((0x00, 0x80, 0x00, _VAS_ONLY | (_MORE_FOLLOW if more_follow else 0)))
    parts = ((_VERSION, b"\x01\x00"), (_PASS_TYPE, pass_type_hash(pass_type_id)), (_MODE, mode))
    return b"".join(ber_tlv.encode(tag, value) for tag, value in parts)


def message_in(answer: bytes, shop: AppleVas, pass_type_id: str, unix_seconds: int) -> str | Refusal:
    """The pass's message. ``unix_seconds``: the till's clock, for the window; it decides nothing else."""
    try:
        cryptogram = ber_tlv.find(answer, _CRYPTOGRAM) or b""
    except ber_tlv.TlvError:
        return _NO_VAS
    if not _SHORTEST <= len(cryptogram) <= _LONGEST:
        return _NO_VAS
    if cryptogram[:_KEY_ID_BYTES] != key_id(shop.key):
        return _OTHER_KEY
    plain = _decrypted(shop.key, cryptogram[_KEY_ID_BYTES:], pass_type_hash(pass_type_id))
    if isinstance(plain, Refusal):
        return plain
    made_at = EPOCH_2001 + int.from_bytes(plain[:_TIME_BYTES], "big")
    if abs(made_at - unix_seconds) > shop.config.window_s:
        return _STALE
    try:
        return plain[_TIME_BYTES:].decode("utf-8")
    except UnicodeDecodeError:
        return _NO_VAS


def pass_type_hash(pass_type_id: str) -> bytes:
    """
    >>> pass_type_hash("pass.com.passkit.pksamples.nfcdemo").hex()[:8]
    '03b57cdb'
    """
    return hashlib.sha256(pass_type_id.encode()).digest()


def key_id(key: PrivateKey) -> bytes:
    """The first four bytes of SHA-256 over X of the public key."""
    return hashlib.sha256(compressed(key)[1:]).digest()[:_KEY_ID_BYTES]


def _decrypted(key: PrivateKey, sealed: bytes, pass_type: bytes) -> bytes | Refusal:
    # The phone sends X alone: both points with this X have the same X in common with our key.
    secret = shared_secret(key, _EVEN_Y + sealed[:_X_BYTES])
    if secret is None:
        return _NO_VAS
    for info, also in ((b"\x0did-aes256-GCM" + _LABEL + pass_type, b""), (_LABEL, pass_type)):
        derived = X963KDF(SHA256(), 32, info).derive(secret)
        try:
            return AESGCM(derived).decrypt(_ZERO_IV, sealed[_X_BYTES:], also)
        except InvalidTag:
            continue
    return _FORGED
