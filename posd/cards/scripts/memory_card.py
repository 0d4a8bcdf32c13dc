"""Contact memory cards SLE4442 and SLE4428, only on readers known to read them (``[reader.card.memory_card]``). Without
cryptography: a copy costs cents. The code that unlocks writing is never presented: three wrong ones kill the card.
"""

from __future__ import annotations

from posd.cards.chip import LOYALTY, ChipContents
from posd.cards.iso7816 import read_memory, select_memory_card
from posd.cards.loyalty_file import is_whole
from posd.cards.reader_names import name_fits
from posd.cards.scripts.dialogue import CHUNK, Script, ask
from posd.cards.scripts.setup import Card


def read_memory_card(card: Card) -> Script[ChipContents]:
    """The loyalty file, if this reader can read the card and something is on it."""
    layout, kind = card.setup.layout.memory_card, card.kind.memory_card
    selects = _fits(card.setup.reader, layout.readers)
    if kind is None or not (selects or _fits(card.setup.reader, layout.readers_without_select)):
        return ChipContents(card.atr)
    if selects and not (yield from ask(select_memory_card(kind.type_code))).sw.ok:
        return ChipContents(card.atr)
    file = yield from _read(layout.offset, min(layout.offset + card.setup.layout.max_bytes, kind.size))
    return ChipContents(card.atr, None, {LOYALTY: file} if file.strip(b"\xff\0") else {})


def _read(start: int, end: int) -> Script[bytes]:
    file = b""
    while (at := start + len(file)) < end and not is_whole(file):
        length = min(CHUNK, end - at)
        answer = yield from ask(read_memory(at, length))
        if not answer.sw.ok or len(answer.data) < length:
            break
        file += answer.data[:length]  # behind it some readers send protection bytes
    return file


def _fits(reader: str, patterns: tuple[str, ...]) -> bool:
    return any(name_fits(reader, pattern) for pattern in patterns)
