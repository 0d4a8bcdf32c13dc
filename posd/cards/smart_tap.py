"""Google Smart Tap 2.1, the terminal's half without any I/O: the terminal proves by the collector's key who it is, both
agree on keys for one tap, and the phone sends the pass encrypted and with a MAC.

The phone proves nothing about itself: whoever knows a member's number can write a program that answers so. The value is
worth what the same number in a bar code is worth.

Source: Google's reference of Smart Tap 2.1 and its sample application (Apache-2.0), of which nothing is copied.
"""

from __future__ import annotations

import hmac
import zlib
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from posd.cards import ber_tlv
from posd.cards import smart_tap_records as records
from posd.cards.elliptic import compressed, new_private_key, shared_secret, sign
from posd.cards.ndef import NdefError
from posd.cards.reads import Refusal, RejectReason
from posd.cards.smart_tap_records import BINARY, Record, named
from posd.cards.wallets import SmartTap

LONGEST_PLAIN = 65_536
"""Bytes of what is inflated. A loyalty pass has about 100."""
_LONGEST_VALUE = 1024
"""Bytes; card rules take no longer number than 64 characters."""

_VERSION = b"\x00\x01"
_FIRST, _OK = 1, 1
_LIVE = b"\x01"
_LOYALTY = b"\x03"
_CAPABILITIES = bytes.fromhex("4100000001")
"""Stands alone and inflates; wants a pass and no payment."""
_NONCE_BYTES, _SESSION_BYTES = 32, 8
_IV_BYTES, _MAC_BYTES = 12, 32
_AES_BYTES, _KEY_BYTES = 16, 48
_ENCRYPTED, _COMPRESSED = 0b01, 0b10

_NO_SMART_TAP = Refusal(RejectReason.UNREADABLE, "the phone's answer is not Smart Tap 2.1")
_FORGED = Refusal(RejectReason.NOT_GENUINE, "the HMAC of the phone's answer is wrong: of another tap, or forged")
_NO_LOYALTY = Refusal(RejectReason.EMPTY_PHONE, "the phone sent no loyalty pass with a smartTapRedemptionValue")


class Offer:
    """What the terminal brings to one tap: a session, a nonce, a key pair, and the collector's signature over them and
    the phone's nonce. Used once."""

    def __init__(self, shop: SmartTap, phone_nonce: bytes, random_bytes: Callable[[int], bytes]) -> None:
        self._session = random_bytes(_SESSION_BYTES)
        self._nonce = random_bytes(_NONCE_BYTES)
        self._key = new_private_key(random_bytes)
        self._version = shop.config.key_version.to_bytes(4, "big")
        self._collector = shop.config.collector_id.to_bytes(4, "big")
        self._signed = self._nonce + phone_nonce + self._collector + compressed(self._key)
        self._signature = sign(shop.key, self._signed)

    @property
    def request(self) -> bytes:
        """The data of NEGOTIATE SECURE CHANNEL."""
        proof = records.encode(Record("sig", BINARY + self._signature), _collector(self._collector))
        parameters = Record("cpr", self._nonce + _LIVE + compressed(self._key) + self._version + proof)
        inner = records.encode(_session(self._session, _FIRST), parameters)
        return records.encode(Record("ngr", _VERSION + inner))

    def accepted(self, answer: bytes) -> Channel | Refusal:
        """The channel that the phone's answer opens."""
        inner = _nested(answer, "nrs")
        sequence, phone_key = _sequence(inner, self._session), named(inner, "dpk") or b""
        secret = shared_secret(self._key, phone_key)
        if secret is None or sequence is None:
            return _NO_SMART_TAP
        derived = HKDF(SHA256(), _KEY_BYTES, salt=phone_key, info=self._signed + self._signature).derive(secret)
        return Channel(self._session, sequence + 1, self._collector, derived)


class Channel:
    """The keys of one tap. ``derived``: AES-128 key and HMAC-SHA256 key."""

    def __init__(self, session: bytes, sequence: int, collector: bytes, derived: bytes) -> None:
        self._session, self._sequence, self._collector = session, sequence, collector
        self._aes_key, self._mac_key = derived[:_AES_BYTES], derived[_AES_BYTES:]

    @property
    def request(self) -> bytes:
        """The data of GET DATA: loyalty passes for this collector."""
        inner = records.encode(
            _session(self._session, self._sequence),
            Record("mer", records.encode(_collector(self._collector))),
            Record("slr", records.encode(Record("str", _LOYALTY))),
            Record("pcr", _CAPABILITIES),
        )
        return records.encode(Record("srq", _VERSION + inner))

    def value(self, answer: bytes) -> str | Refusal:
        """The redemption value of the pass in the phone's whole answer."""
        inner = _nested(answer, "srs")
        if _sequence(inner, self._session) is None:
            return _NO_SMART_TAP
        bundle = named(inner, "reb")
        plain = _NO_LOYALTY if bundle is None else self._open(bundle)
        return plain if isinstance(plain, Refusal) else _redemption_value(plain)

    def _open(self, bundle: bytes) -> bytes | Refusal:
        """The flags are outside of the MAC; whoever turns them gets nothing but a refusal."""
        flags, payload = bundle[:1], bundle[1:]
        if flags not in (bytes((_ENCRYPTED,)), bytes((_ENCRYPTED | _COMPRESSED,))):
            return Refusal(RejectReason.UNREADABLE, "the phone sent a pass in a form that posd does not take")
        body, mac = payload[:-_MAC_BYTES], payload[-_MAC_BYTES:]
        if not hmac.compare_digest(hmac.digest(self._mac_key, body, "sha256"), mac):
            return _FORGED
        if len(body) < _IV_BYTES:
            return _NO_SMART_TAP
        counter = body[:_IV_BYTES] + bytes(4)
        decryptor = Cipher(AES128(self._aes_key), CTR(counter)).decryptor()
        plain = decryptor.update(body[_IV_BYTES:]) + decryptor.finalize()
        return plain if flags[0] == _ENCRYPTED else _inflated(plain)


def phone_nonce_of(fci: bytes) -> bytes | None:
    """The phone's nonce in its answer to SELECT OSE.VAS.01, where the phone allows to leave out the second SELECT."""
    try:
        nonce = ber_tlv.find(fci, 0xC2) or ber_tlv.find(fci, 0xDF6E) or b""
        capabilities = ber_tlv.find(fci, 0xDF62) or b"\0"
    except ber_tlv.TlvError:
        return None
    return nonce if len(nonce) == _NONCE_BYTES and capabilities[-1] & 1 else None


def phone_nonce_in(answer: bytes) -> bytes | None:
    """The phone's nonce in its answer to SELECT of Smart Tap: two versions of two bytes, then a record ``mdn``."""
    try:
        nonce = named(records.parse(answer[4:]), "mdn") or b""
    except NdefError:
        return None
    return nonce[1:] if len(nonce) == 1 + _NONCE_BYTES and nonce[:1] == BINARY else None


def _session(session: bytes, sequence: int) -> Record:
    return Record("ses", session + bytes((sequence & 0xFF, _OK)))


def _sequence(inner: tuple[Record, ...], session: bytes) -> int | None:
    """The phone's sequence number in this session; None in an answer of another one."""
    found = named(inner, "ses") or b""
    return found[_SESSION_BYTES] if found.startswith(session) and len(found) == _SESSION_BYTES + 2 else None


def _collector(collector: bytes) -> Record:
    return Record("cld", BINARY + collector)


def _nested(message: bytes, name: str) -> tuple[Record, ...]:
    """The records inside of the record ``name``; none where the phone sent something else."""
    try:
        return records.parse(named(records.parse(message), name) or b"")
    except NdefError:
        return ()


def _inflated(compressed_pass: bytes) -> bytes | Refusal:
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(compressed_pass, LONGEST_PLAIN + 1)
    except zlib.error:
        return _NO_SMART_TAP
    return plain if inflater.eof and len(plain) <= LONGEST_PLAIN else _NO_SMART_TAP


def _redemption_value(bundle: bytes) -> str | Refusal:
    try:
        objects = [part for one in records.parse(bundle) if one.name == "asv" for part in records.parse(one.payload)]
        fields = [part for one in objects if one.name == "ly" for part in records.parse(one.payload)]
    except NdefError:
        return _NO_SMART_TAP
    values = (part.text for part in fields if part.name == "n" and len(part.payload) <= _LONGEST_VALUE)
    return next((value for value in values if value), _NO_LOYALTY)
