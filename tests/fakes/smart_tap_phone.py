"""A phone with Google Wallet: the phone's side of Smart Tap 2.1, from Google's reference and public traces. Records,
HKDF and counter mode are written by hand here; it knows nothing of posd's code.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fakes.watched_card import NOT_FOUND, OK, UNKNOWN, WatchedCard

OSE, SMART_TAP, PPSE = b"OSE.VAS.01", bytes.fromhex("A000000476D0000111"), b"2PAY.SYS.DDF01"
PAYMENT_FCI = bytes.fromhex("6F23840E325041592E5359532E4444463031A511BF0C0E610C4F07A0000000031010870101")
MORE, NO_PASS, MUST_CHOOSE, TOO_MANY, NOT_ACCEPTED = b"\x91\x00", b"\x90\x01", b"\x93\x02", b"\x94\x06", b"\x95\x00"
WRONG_REQUEST = b"\x94\x00"


@dataclass
class Habits:
    """How a phone may differ from another. ``part``: bytes that it sends at once. ``status``: of GET DATA, instead of
    an answer. ``plain``: what it encrypts instead of its pass."""

    nonce_in_ose: bool = True
    may_skip_select: bool = True
    compress: bool = True
    text_record: bool = False
    part: int = 200
    flags: int | None = None
    status: bytes = b""
    value_name: str = "n"
    other_session: bool = False
    plain: bytes | None = None


@dataclass
class _Tap:
    session: bytes = b""
    sequence: int = 0
    keys: bytes = b""
    waiting: bytes = b""


class SmartTapPhone(WatchedCard):
    """``shops``: collector id → (key version, public key) of those whose pass it carries. Also answers the payment
    directory, as every phone does whose wallet is awake. ``sent``: whole answers to GET DATA, for a thief."""

    atr = bytes.fromhex("3B80800101")

    def __init__(
        self, shops: dict[int, tuple[int, ec.EllipticCurvePublicKey]], value: str, habits: Habits | None = None
    ) -> None:
        super().__init__()
        self.shops, self.value, self.habits = shops, value, habits or Habits()
        self.nonce = secrets.token_bytes(32)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.sent: list[bytes] = []
        self.derived: list[bytes] = []
        self._tap = _Tap()

    @property
    def point(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    def answer(self, command: bytes) -> bytes:
        data = command[5 : 5 + command[4]] if len(command) > 5 else b""
        match command[:2]:
            case b"\x00\xa4":
                return self._select(data)
            case b"\x90\x53":
                return self._negotiate(data)
            case b"\x90\x50":
                return self._get_data(data)
            case b"\x90\xc0" if self._tap.waiting:
                return self._part()
            case b"\xff\xca":
                return b"\x08" + secrets.token_bytes(3) + OK
        return UNKNOWN

    def _select(self, name: bytes) -> bytes:
        self._tap = _Tap()
        if name == PPSE:
            return PAYMENT_FCI + OK
        if name == SMART_TAP:
            return b"\0\0\0\1" + record("mdn", b"\x04" + self.nonce, last=True, first=True, name="mdn") + OK
        return self._ose() + OK if name == OSE else NOT_FOUND

    def _ose(self) -> bytes:
        fields = _tlv(0x50, b"AndroidPay") + _tlv(0xC0, b"\0\1") + _tlv(0xC1, bytes.fromhex("CC00000000008080"))
        if self.habits.nonce_in_ose:
            fields += _tlv(0xC2, self.nonce) + _tlv(0xC3, self.point)
        capabilities = b"\x03" if self.habits.may_skip_select else b"\x02"
        entry = _tlv(0x4F, SMART_TAP) + _tlv(0x87, b"\1") + _tlv(0x73, _tlv(0xDF62, capabilities))
        return _tlv(0x6F, fields + _tlv(0xA5, _tlv(0xBF0C, _tlv(0x61, entry))))

    def _negotiate(self, data: bytes) -> bytes:
        """Prove the terminal, then agree on keys."""
        request = dict(records(data))["ngr"]
        assert request[:2] == b"\0\1"
        inner = dict(records(request[2:]))
        session, parameters = inner["ses"], inner["cpr"]
        assert len(session) == 10 and session[9] == 1
        nonce, live, point, version = parameters[:32], parameters[32], parameters[33:66], parameters[66:70]
        proof = dict(records(parameters[70:]))
        assert live == 1 and proof["sig"][0] == proof["cld"][0] == 4
        collector, signature = proof["cld"][1:], proof["sig"][1:]
        signed = nonce + self.nonce + collector + point
        if not self._knows(collector, version, signed, signature):
            return NOT_ACCEPTED
        reader_key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        secret = self.key.exchange(ec.ECDH(), reader_key)
        keys = hkdf(secret, self.point, signed + signature, 48)
        self.derived.append(keys)
        self._tap = _Tap(session[:8], session[8] + 1, keys)
        shown = bytes(8) if self.habits.other_session else session[:8]
        return message(("nrs", message(("ses", shown + bytes((self._tap.sequence, 1))), ("dpk", self.point)))) + OK

    def _knows(self, collector: bytes, version: bytes, signed: bytes, signature: bytes) -> bool:
        key_version, key = self.shops.get(int.from_bytes(collector, "big"), (0, None))
        if key is None or key_version != int.from_bytes(version, "big"):
            return False
        try:
            key.verify(signature, signed, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    def _get_data(self, data: bytes) -> bytes:
        request = dict(records(data))["srq"]
        inner = dict(records(request[2:]))
        assert request[:2] == b"\0\1"
        if inner["ses"] != self._tap.session + bytes((self._tap.sequence + 1, 1)):
            return WRONG_REQUEST
        assert dict(records(inner["slr"]))["str"] == b"\x03"
        assert int.from_bytes(dict(records(inner["mer"]))["cld"][1:], "big") in self.shops
        if self.habits.status:
            return self.habits.status
        session = self._tap.session + bytes((self._tap.sequence + 2, 1))
        whole = message(("srs", message(("ses", session), ("reb", self._bundle()))))
        self.sent.append(whole)
        self._tap.waiting = whole
        return self._part()

    def _part(self) -> bytes:
        size = self.habits.part
        part, self._tap.waiting = self._tap.waiting[:size], self._tap.waiting[size:]
        return part + (MORE if self._tap.waiting else OK)

    def _bundle(self) -> bytes:
        plain = self.habits.plain if self.habits.plain is not None else self._pass()
        flags = self.habits.flags if self.habits.flags is not None else 0b01 | 0b10 * self.habits.compress
        if self.habits.compress:
            plain = zlib.compress(plain)
        return bytes((flags,)) + sealed(self._tap.keys, secrets.token_bytes(12), plain)

    def _pass(self) -> bytes:
        value = ("\x00" if not self.habits.text_record else "\x02en") + self.value
        n = record(self.habits.value_name, value.encode(), last=True, text=self.habits.text_record)
        loyalty = record("oid", b"\x04" + bytes(8), first=True) + n
        issuer = ("i", b"\x04" + bytes(5))
        return message(("cus", message(("cid", b"\x04" + bytes(16)))), ("asv", message(issuer, ("ly", loyalty))))


def sealed(keys: bytes, iv: bytes, plain: bytes) -> bytes:
    """IV, AES-CTR, HMAC over both."""
    body = iv + counter_mode(keys[:16], iv, plain)
    return body + hmac.new(keys[16:], body, hashlib.sha256).digest()


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 with SHA-256."""
    key = hmac.new(salt, secret, hashlib.sha256).digest()
    block, out = b"", b""
    while len(out) < length:
        block = hmac.new(key, block + info + bytes((len(out) // 32 + 1,)), hashlib.sha256).digest()
        out += block
    return out[:length]


def counter_mode(key: bytes, iv: bytes, data: bytes) -> bytes:
    """NIST SP 800-38A §6.5: 12 bytes of IV, a counter of four from zero."""
    encryptor = Cipher(AES128(key), ECB()).encryptor()
    stream = b"".join(encryptor.update(iv + n.to_bytes(4, "big")) for n in range(-(-len(data) // 16)))
    return bytes(a ^ b for a, b in zip(data, stream, strict=False))


def message(*parts: tuple[str, bytes]) -> bytes:
    """External records, the first and the last marked."""
    ends = range(len(parts))
    return b"".join(record(*part, first=n == ends[0], last=n == ends[-1]) for n, part in zip(ends, parts, strict=True))


def record(
    kind: str, payload: bytes, *, first: bool = False, last: bool = False, name: str = "", text: bool = False
) -> bytes:
    """One record (NFC Forum NDEF 1.0 §3.2): external type ``kind``, or with ``text`` a text record with that id."""
    type_, id_, format_ = (b"T", kind.encode(), 1) if text else (kind.encode(), name.encode(), 4)
    short = len(payload) < 256
    head = 0x80 * first | 0x40 * last | 0x10 * short | 0x08 * bool(id_) | format_
    size = len(payload).to_bytes(1 if short else 4, "big")
    return bytes((head, len(type_))) + size + (bytes((len(id_),)) if id_ else b"") + type_ + id_ + payload


def records(data: bytes) -> list[tuple[str, bytes]]:
    """Types and payloads of a whole message."""
    found, at = [], 0
    assert data[0] & 0x80
    while at < len(data):
        head, type_length = data[at], data[at + 1]
        assert head & 0x07 == 4 and not head & 0x08
        size = 1 if head & 0x10 else 4
        start = at + 2 + size + type_length
        length = int.from_bytes(data[at + 2 : at + 2 + size], "big")
        found.append((data[at + 2 + size : start].decode(), data[start : start + length]))
        at = start + length
        assert bool(head & 0x40) == (at == len(data))
    return found


def _tlv(tag: int, value: bytes) -> bytes:
    name = tag.to_bytes(1 if tag < 0x100 else 2, "big")
    return name + (bytes((len(value),)) if len(value) < 0x80 else bytes((0x81, len(value)))) + value
