"""What a till may show of a person: one name and a mask. Pure.

Name: the given name, and of the family name one letter (others can read the screen). Phone: the first four digits as
people write them there, and the last two.
"""

from __future__ import annotations

import unicodedata

_ARTICLE = "ال"
_PREFIXES = frozenset({"آل", "ال", "بن", "ابن", "أبو", "ابو", "أم", "ام", "van", "von", "de", "al", "el", "bin", "ibn"})
LONGEST_NAME = 40


def display_name(full_name: str) -> str:
    """``"زهرا رضایی"`` → ``"زهرا ر"``; ``"عبد الله الحربي"`` → ``"عبد الله ح"``. Empty stays empty."""
    words = " ".join(_printable(full_name).split()).split(" ")
    given = 2 if len(words) > 1 and words[0] == "عبد" else 1
    family = words[given:]
    while len(family) > 1 and family[0].lower() in _PREFIXES:
        family = family[1:]
    name = " ".join(words[:given])[:LONGEST_NAME]
    return f"{name} {_initial(family[0])}" if family else name


def _initial(family: str) -> str:
    bare = family[2:] if family.startswith(_ARTICLE) and len(family) > 3 else family
    letter = bare[0].upper()
    return "هـ" if letter == "ه" else letter


def _printable(text: str) -> str:
    """Without control characters and half surrogates; the joiners that Persian spelling needs stay."""
    return "".join(c for c in text if c == "\u200c" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"})


def phone_mask(e164: str, country: str) -> str:
    """``+989120001234`` in country 98 → ``0912 *** **34``; elsewhere ``+96 *** **34``. Asterisks, because a bullet
    beside Persian digits reads as a zero."""
    digits = "".join(c for c in e164 if c.isascii() and c.isdigit())
    if len(digits) < 8:
        return ""
    shown = "0" + digits[len(country) :] if digits.startswith(country) else "+" + digits
    return f"{shown[:4]} *** **{digits[-2:]}"
