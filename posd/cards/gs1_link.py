"""GS1 Digital Links: a web address that carries an element string in its path.

``https://any.host/any/path/8018/123456789012345675/8019/1?any=attribute``. The scheme is all small or all capital; the
right-most key in the path counts; a key may have its old name. The host does not matter and is never asked.
Source: GS1 Digital Link Standard: URI Syntax 1.6; names of keys: edition 1.1, where they were not yet deprecated.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from posd.cards.gs1 import GTIN, INSTANCE, MEMBER, SSCC, STAFF, Elements, Gs1CheckError, Gs1Error, parse_elements

_LINK = re.compile(r"(?:https?|HTTPS?)://[^/?#\s]+(/[^?#]*)(?:[?#].*)?", re.DOTALL)
_KEYS = {"gsrn": MEMBER, "gsrnp": STAFF, "gtin": GTIN, "sscc": SSCC}
_INSTANCE_NAMES = (INSTANCE, "srin")
_GTIN_DIGITS = 14


def parse_link(text: str) -> Elements | None:
    """The elements that identify something: a GSRN and its instance, a GTIN or an SSCC; qualifiers and attributes of
    goods are left out. None if the text is no such link. Raises `Gs1CheckError` if the check digit is wrong."""
    link = _LINK.fullmatch(text)
    if link is None:
        return None
    segments = [unquote(segment) for segment in link[1].removesuffix("/").split("/")]
    # Keys and values come in pairs up to the end of the path; what stands in front of them is the host's own.
    for at in range(len(segments) - 2, 0, -2):
        key = _KEYS.get(segments[at].lower(), segments[at])
        if key in _KEYS.values():
            return _elements(key, segments[at + 1], segments[at + 2 : at + 4])
    return None


def _elements(key: str, value: str, qualifier: list[str]) -> Elements | None:
    text = f"({key})" + (value.zfill(_GTIN_DIGITS) if key == GTIN else value)
    if key in (MEMBER, STAFF) and qualifier and qualifier[0].lower() in _INSTANCE_NAMES:
        text += f"({INSTANCE}){qualifier[1]}"
    try:
        return parse_elements(text)
    except Gs1CheckError:
        raise
    except Gs1Error:  # any web address may have "/01/" in its path
        return None
