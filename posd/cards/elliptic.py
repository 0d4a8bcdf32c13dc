"""Keys on the curve P-256 (NIST SP 800-186), as both phone wallets use them. Random bytes are handed in, and signatures
are RFC 6979's, which need none.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from posd.errors import ConfigError

PrivateKey = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey

POINT_BYTES = 33
"""A compressed point (SEC 1 §2.3.3): 02 or 03, then X."""
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_DRAWN_BYTES = 40
"""64 bits more than the order has, so that no key is likelier than another (FIPS 186-5 §A.2.1)."""


def parse_private_key(pem: bytes, where: str) -> PrivateKey:
    """The key in a PEM file called ``where``. Raises `ConfigError`, which does not quote the file."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        key = None
    if not isinstance(key, PrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(
            f"{where} holds no private key on the curve P-256 in PEM without password; "
            "openssl ecparam -name prime256v1 -genkey -noout makes one"
        )
    return key


def new_private_key(random_bytes: Callable[[int], bytes]) -> PrivateKey:
    """A key for one conversation."""
    drawn = int.from_bytes(random_bytes(_DRAWN_BYTES), "big")
    return ec.derive_private_key(drawn % (_ORDER - 1) + 1, ec.SECP256R1())


def compressed(key: PrivateKey) -> bytes:
    """The public point that belongs to ``key``."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def shared_secret(key: PrivateKey, point: bytes) -> bytes | None:
    """ECDH (SEC 1 §3.3.1) with a compressed point; None when that is no point of the curve."""
    try:
        public = PublicKey.from_encoded_point(ec.SECP256R1(), point) if len(point) == POINT_BYTES else None
    except ValueError:
        public = None
    return None if public is None else key.exchange(ec.ECDH(), public)


def sign(key: PrivateKey, data: bytes) -> bytes:
    """ECDSA with SHA-256, in DER."""
    return key.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True))
