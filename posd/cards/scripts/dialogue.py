"""How posd talks to a chip card without any I/O: a script is a generator that yields a `CommandApdu`, is sent the
card's `ResponseApdu`, and returns what it found. `run` holds the conversation over anything that carries bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from posd.cards import ber_tlv
from posd.cards.iso7816 import CommandApdu, ResponseApdu, StatusWord, get_response, read_binary

T = TypeVar("T")
Script = Generator[CommandApdu, ResponseApdu, T]

CHUNK = 128
"""Bytes asked for at once: every card's buffer holds these, and most files fit into one or two."""
_MOST_CONTINUATIONS = 16


def run(script: Script[T], transmit: Callable[[bytes], bytes]) -> T:
    """Hold the conversation over ``transmit`` (command bytes → answer bytes with SW1-SW2). What ``transmit`` raises
    goes through; an answer without status word raises ValueError."""
    try:
        command = next(script)
        while True:
            command = script.send(ResponseApdu.parse(transmit(bytes(command))))
    except StopIteration as end:
        result: T = end.value
        return result


def ask(command: CommandApdu) -> Script[ResponseApdu]:
    """One command with what T=0 makes of it: 6Cxx asks again with the right length, 61xx fetches the rest."""
    answer = yield command
    if (length := answer.sw.right_le) is not None and command.le is not None:
        answer = yield CommandApdu(command.cla, command.ins, command.p1, command.p2, command.data, length or 256)
    data = answer.data
    for _ in range(_MOST_CONTINUATIONS):
        if answer.sw.more is None or len(data) > ber_tlv.LONGEST:
            break
        answer = yield get_response(answer.sw.more)
        data += answer.data
    # A card that announces more for ever has not answered.
    return ResponseApdu(data, StatusWord(0x6F00) if answer.sw.more is not None else answer.sw)


def read_file(
    offset: int, length: int, *, chunk: int = CHUNK, ends: Callable[[bytes], bool] = lambda _: False
) -> Script[bytes | None]:
    """Up to ``length`` bytes of the current file, fewer where ``ends`` says that the rest does not matter; None if it
    cannot be read."""
    data = b""
    while len(data) < length and not ends(data):
        answer = yield from ask(read_binary(offset + len(data), min(chunk, length - len(data))))
        if not answer.sw.has_data or not answer.data:
            break
        data += answer.data
        if not answer.sw.ok:
            break
    return data[:length] or None
