"""Where on a card the shop keeps what it keeps: the table ``[reader.card]`` of a reader. A family that needs keys is
asked only where its table is there."""

from __future__ import annotations

from dataclasses import dataclass, field

from posd.cards import aes, ber_tlv, card_keys
from posd.cards.desfire import Communication
from posd.cards.iso7816 import LONGEST_AID, SHORTEST_AID
from posd.cards.sun import SunLayout

POSD_AID = bytes.fromhex("F0504F5344")
"""Proprietary (first byte F0, ISO/IEC 7816-4 §12.2.2.2), then "POSD"."""
POSD_DESFIRE_AID = bytes.fromhex("F0504F")
_CLASSIC_BLOCKS = 256
_MEMORY_CARD_BYTES = 1024


@dataclass(frozen=True, slots=True)
class ClassicLayout:
    """``[reader.card.classic]``: MIFARE Classic. ``blocks``: those that hold the loyalty file, in order; ``key``: ``A``
    or ``B``, the one that reads them (``classic.read`` of the keys)."""

    blocks: tuple[int, ...] = (4, 5, 6, 8, 9, 10)
    key: str = "A"

    def __post_init__(self) -> None:
        if self.key not in ("A", "B"):
            raise ValueError("key is 'A' or 'B'")
        if not self.blocks or not all(0 <= block < _CLASSIC_BLOCKS for block in self.blocks):
            raise ValueError("blocks are 0 to 255, and at least one")
        if any(sector_of(block) != sector_of(block + 1) for block in self.blocks):
            raise ValueError("the last block of a sector holds its keys and no data")


@dataclass(frozen=True, slots=True)
class DesfireLayout:
    """``[reader.card.desfire]``: MIFARE DESFire with AES. ``aid``: three bytes as they go over the air, in hex.
    ``key_number``: of the key that reads. ``file``: number of the loyalty file. ``system_id``: 6 to 21 bytes that take
    part in the keys of each card. ``communication``: the file's mode where the card does not tell it without a key."""

    aid: str = POSD_DESFIRE_AID.hex()
    key_number: int = 1
    file: int = 1
    system_id: str = b"posd-1".hex()
    communication: Communication = Communication.FULL

    def __post_init__(self) -> None:
        if len(self.application) != 3 or not any(self.application):
            raise ValueError("aid has three bytes, written in hex, and is not 000000")
        if not 6 <= len(self.system) <= 21:
            raise ValueError("system_id has 6 to 21 bytes, written in hex")
        if not 0 <= self.key_number <= 13 or not 0 <= self.file <= 31:
            raise ValueError("key_number is 0 to 13, file 0 to 31")

    @property
    def application(self) -> bytes:
        return bytes.fromhex(self.aid)

    @property
    def system(self) -> bytes:
        return bytes.fromhex(self.system_id)

    def key_for(self, master: bytes, uid: bytes) -> bytes:
        """The key of the card with this UID (AN10922)."""
        return aes.diversified_key(master, uid + self.application + self.system)


@dataclass(frozen=True, slots=True)
class MemoryCardLayout:
    """``[reader.card.memory_card]``: SLE4442 and SLE4428. ``readers``: names of readers that take ACS's command for the
    card's type; ``readers_without_select``: of those that read at once; others are asked nothing. ``offset``: where
    the loyalty file begins; of an SLE4442 the first 32 bytes can be protected and stay the issuer's."""

    readers: tuple[str, ...] = ("*ACR38*", "*ACR39*")
    readers_without_select: tuple[str, ...] = ("*OMNIKEY*3121*", "*ST-1144*")
    offset: int = 32

    def __post_init__(self) -> None:
        if not 0 <= self.offset < _MEMORY_CARD_BYTES:
            raise ValueError(f"offset is 0 to {_MEMORY_CARD_BYTES - 1}")


@dataclass(frozen=True, slots=True)
class ChipLayout:
    """``[reader.card]``. ``aid``: of the application with the loyalty file, in hex. ``file_id``: four hex digits,
    selected after the application; none = the application answers READ BINARY itself. ``max_bytes``: of the loyalty
    file, on whatever card. ``keys_file``: path of the file with the keys, see `posd.cards.card_keys`."""

    aid: str = POSD_AID.hex()
    file_id: str | None = None
    max_bytes: int = 512
    keys_file: str | None = None
    classic: ClassicLayout | None = None
    desfire: DesfireLayout | None = None
    sun: SunLayout | None = None
    memory_card: MemoryCardLayout = field(default_factory=MemoryCardLayout)

    def __post_init__(self) -> None:
        if not SHORTEST_AID <= len(self.application) <= LONGEST_AID:
            raise ValueError("aid has 5 to 16 bytes, written in hex")
        if self.file_id is not None and len(bytes.fromhex(self.file_id)) != 2:
            raise ValueError("file_id has two bytes, written in hex")
        if not 1 <= self.max_bytes <= ber_tlv.LONGEST:
            raise ValueError(f"max_bytes must be 1 to {ber_tlv.LONGEST}")

    @property
    def application(self) -> bytes:
        return bytes.fromhex(self.aid)

    @property
    def file(self) -> int | None:
        return None if self.file_id is None else int(self.file_id, 16)

    @property
    def needed_keys(self) -> tuple[str, ...]:
        """Names of the keys without which these layouts cannot be read."""
        needed: tuple[str, ...] = ()
        if self.classic is not None:
            needed += (card_keys.CLASSIC_READ,)
        if self.desfire is not None:
            needed += (card_keys.DESFIRE_READ, card_keys.DESFIRE_MAC)
        if self.sun is not None:
            needed += (card_keys.SUN_FILE,)
        return needed


def sector_of(block: int) -> int:
    """MIFARE Classic: 32 sectors of four blocks, then eight of sixteen."""
    return block // 4 if block < 128 else 32 + (block - 128) // 16
