"""Code 128 (ISO/IEC 15417), for what posd itself prints: any text of ASCII, control characters included.

>>> sum(widths("A")), len(widths("A"))
(46, 25)
"""

from __future__ import annotations

_BARS = (
    "212222222122222221121223121322131222122213122312132212221213221312231212112232122132122231113222123122"
    "123221223211221132221231213212223112312131311222321122321221312212322112322211212123212321232121111323"
    "131123131321112313132113132311211313231113231311112133112331132131113123113321133121313121211331231131"
    "213113213311213131311123311321331121312113312311332111314111221411431111111224111422121124121421141122"
    "141221112214112412122114122411142112142211241211221114413111241112134111111242121142121241114212124112"
    "124211411212421112421211212141214121412121111143111341131141114113114311411113411311113141114131311141"
    "411131211412211214211232"
)
"""Of each symbol character the widths of three bars and three spaces, in modules."""
_STOP = "2331112"
_SHIFT, _START_B = 98, 104
QUIET = 10
"""Modules that stay white on either side."""


def widths(text: str) -> list[int]:
    """Bar, space, bar, … from the first bar to the last, in modules. Raises ValueError for what is not ASCII."""
    values = [_START_B]
    for character in text:
        values += _values(character)
    check = (values[0] + sum(n * value for n, value in enumerate(values))) % 103
    pattern = "".join(_BARS[6 * value : 6 * value + 6] for value in (*values, check)) + _STOP
    return [int(width) for width in pattern]


def _values(character: str) -> tuple[int, ...]:
    """Code set B; control characters by one shift into set A."""
    code = ord(character)
    if not character.isascii():
        raise ValueError(f"Code 128 carries ASCII, not {character!a}")
    return (code - 0x20,) if code >= 0x20 else (_SHIFT, code + 0x40)
