"""HTTP Message Signatures (RFC 9421) on one fixed profile, with the digest of the content (RFC 9530). Pure.

Till and club write the same two kinds of signature and accept no other: one label, these components in this order,
these parameters in this order, Ed25519. So nothing can be left out, doubled or negotiated down. ``@authority`` is not
among them: a proxy may call the club by another name, and a till's key belongs to one club. The nonce of an answer is
that of the request, so no older answer passes for it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from posd.sync.identity import SigningKey, is_signed_by

DIGEST, INPUT, SIGNATURE = "Content-Digest", "Signature-Input", "Signature"
WINDOW_S = 300
"""How far from the club's own clock a request may have been signed."""
NONCE_BYTES = 16

Components = tuple[tuple[str, str], ...]
"""Names and values, the content's digest last."""

_LABEL = "posd"
_STAMP = re.compile(r';created=([1-9][0-9]{0,11});nonce="([0-9a-f]{32})";keyid="([0-9a-f]{64})"', re.ASCII)
_SIGNATURE_VALUE = re.compile(rf"{_LABEL}=:([A-Za-z0-9+/]{{86}}==):", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stamp:
    """``created``: Unix seconds by the signer's clock. ``nonce``: 32 hex digits. ``keyid``: the signer's public key."""

    created: int
    nonce: str
    keyid: str


@dataclass(frozen=True, slots=True)
class Request:
    """What of a request is signed. ``target``: path and query as they are sent. ``content``: the body as it is sent,
    after compression."""

    method: str
    target: str
    content: bytes

    tag = "posd-sync-1"

    def components(self) -> Components:
        path, _, query = self.target.partition("?")
        digest = content_digest(self.content)
        return ("@method", self.method), ("@path", path), ("@query", f"?{query}"), ("content-digest", digest)


@dataclass(frozen=True, slots=True)
class Answer:
    """What of an answer is signed."""

    status: int
    content: bytes

    tag = "posd-club-1"

    def components(self) -> Components:
        return ("@status", str(self.status)), ("content-digest", content_digest(self.content))


def signed(message: Request | Answer, key: SigningKey, created: int, nonce: str) -> dict[str, str]:
    """The three headers that prove it."""
    components = message.components()
    parameters = _parameters(components, message.tag, Stamp(created, nonce, key.public))
    signature = base64.b64encode(key.sign(_base(components, parameters))).decode()
    return {
        DIGEST: components[-1][1],
        INPUT: f"{_LABEL}={parameters}",
        SIGNATURE: f"{_LABEL}=:{signature}:",
    }


def signer(message: Request | Answer, headers: Mapping[str, str]) -> Stamp | None:
    """Who signed exactly this message and when; None when nobody did, or not in this profile. Whether to trust that
    key is for the caller to say."""
    stamp, signature = claimed(headers), _signature(headers.get(SIGNATURE, ""))
    if stamp is None or signature is None:
        return None
    components = message.components()
    parameters = _parameters(components, message.tag, stamp)
    as_the_profile_says = (f"{_LABEL}={parameters}", components[-1][1])
    if (headers.get(INPUT), headers.get(DIGEST)) != as_the_profile_says:
        return None
    return stamp if is_signed_by(stamp.keyid, signature, _base(components, parameters)) else None


def content_digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def _parameters(components: Components, tag: str, stamp: Stamp) -> str:
    names = " ".join(f'"{name}"' for name, _ in components)
    when_and_who = f';created={stamp.created};nonce="{stamp.nonce}";keyid="{stamp.keyid}"'
    return f'({names}){when_and_who};alg="ed25519";tag="{tag}"'


def _base(components: Components, parameters: str) -> bytes:
    """What is signed (RFC 9421 §2.5)."""
    lines = [f'"{name}": {value}' for name, value in components]
    return "\n".join((*lines, f'"@signature-params": {parameters}')).encode()


def claimed(headers: Mapping[str, str]) -> Stamp | None:
    """What the headers say of the signer, unproven."""
    found = _STAMP.search(headers.get(INPUT, ""))
    return Stamp(int(found[1]), found[2], found[3]) if found else None


def _signature(text: str) -> bytes | None:
    """Base64 has idle bits at its end; only the spelling with zeros counts."""
    found = _SIGNATURE_VALUE.fullmatch(text)
    raw = base64.b64decode(found[1]) if found else b""
    return raw if found and base64.b64encode(raw).decode() == found[1] else None
