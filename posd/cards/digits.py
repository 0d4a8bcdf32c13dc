"""Digits of the scripts that cashiers type: Persian ``۰…۹``, Arabic ``٠…٩``, full width; folded to ASCII."""

from __future__ import annotations

_FOLD = {
    zero + value: ord("0") + value
    for zero in (0x06F0, 0x0660, 0xFF10)  # extended Arabic-Indic (Persian), Arabic-Indic, full width
    for value in range(10)
}
_PERSIAN = {ord("0") + value: 0x06F0 + value for value in range(10)}


def fold_digits(text: str) -> str:
    """The same text with ASCII digits; everything else stays.

    >>> fold_digits("۰۹۱۲ ٣٤")
    '0912 34'
    """
    return text.translate(_FOLD)


def persian_digits(text: str) -> str:
    """The same text with Persian digits, as a Persian keyboard would have typed it."""
    return text.translate(_PERSIAN)
