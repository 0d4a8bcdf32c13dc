"""NTAG 424 DNA's Secure Unique NFC message: a link in which the tag itself writes its UID, a counter that rises with
every tap, and a MAC over both (NXP AN12196, "SDM"). Only who has the tag's key can make one.

Plain: ``…?uid=04DE5F1EACC040&ctr=00003D&cmac=94EED9EE65337086``. With encrypted PICCData:
``…?picc_data=EF963FF7828658A599F3041510671E88&cmac=94EED9EE65337086``.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from posd.cards import aes
from posd.cards.reads import Refusal, RejectReason

_UID_BYTES, _COUNTER_BYTES, _MAC_BYTES = 7, 3, 8
_UID_AND_COUNTER = 0xC7
"""PICCDataTag: UID of seven bytes and counter are mirrored."""
_MOST_TAGS = 50_000
"""How many tags' counters are remembered; the oldest are forgotten first."""


@dataclass(frozen=True, slots=True)
class SunLayout:
    """``[reader.card.sun]``: NTAG 424 DNA, by the names of its link's parameters. ``picc_data``: encrypted UID and
    counter. ``uid``, ``counter``: where they stand in clear. ``mac``: the tag's proof. ``mac_from``: the parameter at
    whose value the MAC's input begins, as the tag's SDMMACInputOffset says; none = empty input."""

    picc_data: str = "picc_data"
    uid: str = "uid"
    counter: str = "ctr"
    mac: str = "cmac"
    mac_from: str | None = None


@dataclass(frozen=True, slots=True)
class SunTag:
    """What a genuine tag said: its UID, and how often it was tapped."""

    uid: bytes = field(repr=False)
    counter: int


class SeenCounters:
    """The highest counter of each tag that this process has seen: an older link is a copied one."""

    def __init__(self) -> None:
        self._last: dict[bytes, int] = {}

    def rises(self, tag: SunTag) -> bool:
        """True, and remembered, when ``tag`` was tapped more often than when it was seen last."""
        if tag.counter <= self._last.get(tag.uid, -1):
            return False
        self._last.pop(tag.uid, None)
        self._last[tag.uid] = tag.counter
        if len(self._last) > _MOST_TAGS:
            del self._last[next(iter(self._last))]
        return True


def verify(link: str, layout: SunLayout, picc_key: bytes | None, file_key: bytes) -> SunTag | Refusal | None:
    """The tag that wrote ``link``, or why none of the club's did; None when it is no link of this kind. ``picc_key``:
    SDMMetaReadKey, for encrypted PICCData; ``file_key``: SDMFileReadKey."""
    values = _values(link)
    if layout.mac not in values or not (layout.picc_data in values or {layout.uid, layout.counter} <= values.keys()):
        return None
    tag = _picc_data(values, layout, picc_key)
    if tag is None:
        return _not_genuine("the UID and counter in the tag's link cannot be read; compare sun.picc with the tag's key")
    session_vector = b"\x3c\xc3\x00\x01\x00\x80" + tag.uid + tag.counter.to_bytes(_COUNTER_BYTES, "little")
    mac = aes.short_mac(aes.cmac(file_key, session_vector), _mac_input(link, values, layout))
    given = _bytes(values[layout.mac].value, _MAC_BYTES)
    if given is None or not hmac.compare_digest(mac, given):
        return _not_genuine("the MAC in the tag's link is wrong: forged, or sun.file is not the tag's key")
    return tag


@dataclass(frozen=True, slots=True)
class _Value:
    value: str = field(repr=False)
    start: int


def _values(link: str) -> Mapping[str, _Value]:
    """The parameters of the link and where their values stand; one that comes twice is none."""
    found: dict[str, _Value] = {}
    twice = set()
    begin = link.find("?") + 1
    for match in re.finditer(r"([^=&]+)=([^&]*)", link[begin:] if begin else ""):
        twice |= {match[1]} & found.keys()
        found[match[1]] = _Value(match[2], begin + match.start(2))
    return {name: value for name, value in found.items() if name not in twice}


def _picc_data(values: Mapping[str, _Value], layout: SunLayout, picc_key: bytes | None) -> SunTag | None:
    if layout.picc_data not in values:
        uid = _bytes(values[layout.uid].value, _UID_BYTES)
        counter = _bytes(values[layout.counter].value, _COUNTER_BYTES)
        return None if uid is None or counter is None else SunTag(uid, int.from_bytes(counter, "big"))
    encrypted = _bytes(values[layout.picc_data].value, aes.BLOCK)
    if encrypted is None or picc_key is None:
        return None
    data = aes.decrypt(picc_key, encrypted)
    end = 1 + _UID_BYTES
    if data[0] != _UID_AND_COUNTER:
        return None
    return SunTag(data[1:end], int.from_bytes(data[end : end + _COUNTER_BYTES], "little"))


def _mac_input(link: str, values: Mapping[str, _Value], layout: SunLayout) -> bytes:
    if layout.mac_from is None or layout.mac_from not in values:
        return b""
    return link[values[layout.mac_from].start : values[layout.mac].start].encode()


def _not_genuine(why: str) -> Refusal:
    return Refusal(RejectReason.NOT_GENUINE, why)


def _bytes(text: str, length: int) -> bytes | None:
    return bytes.fromhex(text) if re.fullmatch(rf"[0-9A-Fa-f]{{{2 * length}}}", text) else None
