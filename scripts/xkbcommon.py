"""A keyboard as the desktop sees it: xkb-data through Debian's libxkbcommon, by ctypes. For generators and tests only;
a till needs neither library nor data."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_uint32, c_void_p
from types import TracebackType

PRESS = 1
LEFTSHIFT, LEFTCTRL, CAPSLOCK, NUMLOCK = 42, 29, 58, 69
LEVEL3 = 84
"""A key that no keyboard has and that xkb defines for every layout: where Right Alt is no AltGr, it still is."""

_X_OFFSET = 8
"""xkb's key codes are evdev's plus eight."""
_DEAD = range(0xFE50, 0xFE94)
"""Keysyms ``dead_…`` (xkbcommon-keysyms.h)."""
_DEFAULT_VARIANTS = {"ch_de": "ch", "ca_fr": "ca"}
"""Those that xkb-data means when no variant is named."""


class _Names(ctypes.Structure):
    _fields_ = [(name, c_char_p) for name in ("rules", "model", "layout", "variant", "options")]


_SIGNATURES = {
    "xkb_context_new": (c_void_p, c_int),
    "xkb_context_unref": (None, c_void_p),
    "xkb_keymap_new_from_names": (c_void_p, c_void_p, POINTER(_Names), c_int),
    "xkb_keymap_unref": (None, c_void_p),
    "xkb_state_new": (c_void_p, c_void_p),
    "xkb_state_unref": (None, c_void_p),
    "xkb_state_update_key": (c_int, c_void_p, c_uint32, c_int),
    "xkb_state_key_get_one_sym": (c_uint32, c_void_p, c_uint32),
    "xkb_state_key_get_utf8": (c_int, c_void_p, c_uint32, c_char_p, c_size_t),
    "xkb_compose_table_new_from_locale": (c_void_p, c_void_p, c_char_p, c_int),
    "xkb_compose_table_unref": (None, c_void_p),
    "xkb_compose_state_new": (c_void_p, c_void_p, c_int),
    "xkb_compose_state_unref": (None, c_void_p),
    "xkb_compose_state_reset": (None, c_void_p),
    "xkb_compose_state_feed": (c_int, c_void_p, c_uint32),
    "xkb_compose_state_get_utf8": (c_int, c_void_p, c_char_p, c_size_t),
}


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libxkbcommon.so.0")
    for name, (result, *arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class XkbKeyboard:
    """One pc105 keyboard of ``layout``: ``us``, or with a variant ``de_nodeadkeys``.

    Raises OSError without the library, ValueError for a layout that xkb-data does not know.
    """

    def __init__(self, layout: str) -> None:
        self._xkb = _library()
        name, _, variant = _DEFAULT_VARIANTS.get(layout, layout).partition("_")
        names = _Names(b"evdev", b"pc105", name.encode(), variant.encode(), b"")
        self._context = self._xkb.xkb_context_new(0)
        self._keymap = self._xkb.xkb_keymap_new_from_names(self._context, names, 0)
        if not self._keymap:
            raise ValueError(f"xkb-data does not know the layout {layout!r}")
        self._state = self._xkb.xkb_state_new(self._keymap)
        self._table = self._xkb.xkb_compose_table_new_from_locale(self._context, b"en_US.UTF-8", 0)
        self._compose = self._xkb.xkb_compose_state_new(self._table, 0)

    def press(self, *codes: int) -> None:
        """Hold these keys down (evdev codes)."""
        self._update(codes, down=True)

    def release(self, *codes: int) -> None:
        self._update(codes, down=False)

    def tap(self, code: int) -> None:
        self.press(code)
        self.release(code)

    def character(self, code: int) -> str:
        """What the key would type now; "" when nothing. Of a dead key the accent that it waits to put on a letter, as
        pressing it twice gives it."""
        if self.is_dead(code):
            return self._twice(self._symbol(code))
        return self._text(self._xkb.xkb_state_key_get_utf8, self._state, code + _X_OFFSET)

    def is_dead(self, code: int) -> bool:
        """Would the key wait for the next one now?"""
        return self._symbol(code) in _DEAD

    def __enter__(self) -> XkbKeyboard:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._xkb.xkb_compose_state_unref(self._compose)
        self._xkb.xkb_compose_table_unref(self._table)
        self._xkb.xkb_state_unref(self._state)
        self._xkb.xkb_keymap_unref(self._keymap)
        self._xkb.xkb_context_unref(self._context)

    def _update(self, codes: tuple[int, ...], *, down: bool) -> None:
        for code in codes:
            self._xkb.xkb_state_update_key(self._state, code + _X_OFFSET, down)

    def _symbol(self, code: int) -> int:
        return int(self._xkb.xkb_state_key_get_one_sym(self._state, code + _X_OFFSET))

    def _twice(self, symbol: int) -> str:
        self._xkb.xkb_compose_state_reset(self._compose)
        for _ in range(2):
            self._xkb.xkb_compose_state_feed(self._compose, symbol)
        return self._text(self._xkb.xkb_compose_state_get_utf8, self._compose)

    @staticmethod
    def _text(function: ctypes._NamedFuncPointer, *arguments: object) -> str:
        buffer = ctypes.create_string_buffer(16)
        function(*arguments, buffer, len(buffer))
        return buffer.value.decode()
