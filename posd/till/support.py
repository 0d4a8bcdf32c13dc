"""Codes that tell support which message a cashier sees."""

from __future__ import annotations

import hashlib

CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


def support_code(key: str) -> str:
    """Four letters that a cashier can read over the phone, always the same for the same message."""
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
    letters = []
    for _ in range(4):
        number, index = divmod(number, len(CODE_LETTERS))
        letters.append(CODE_LETTERS[index])
    return "".join(letters)
