"""Files with keys: read only when nobody else can read them."""

from __future__ import annotations

import os
import stat
import tomllib

from posd.cards.card_keys import CardKeys, parse_card_keys
from posd.errors import ConfigError, DeviceDenied

_OPEN_TO_OTHERS = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO
_LONGEST = 65_536


def read_keys(path: str) -> CardKeys:
    """The keys to the shop's chips in ``path``. Raises as `read_closed_file`, and `ConfigError` when it holds something
    else than keys. No message quotes the file."""
    content = read_closed_file(path, "keys_file")
    try:
        table = tomllib.loads(content.decode("utf-8"))
    except ValueError:
        raise ConfigError(f"the keys_file {path} is not TOML; see docs/cards.md") from None
    return parse_card_keys(table, path)


def read_closed_file(path: str, option: str) -> bytes:
    """What is in the file ``path`` that ``option`` of a reader names. Raises `DeviceDenied` when others may read or
    change it, or posd may not; `ConfigError` when it is not there or no file."""
    called = f"the {option} {path}"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    except FileNotFoundError:
        raise ConfigError(f"{called} is not there; create it, or correct the reader's {option}") from None
    except OSError as error:
        raise DeviceDenied(f"{called} cannot be read ({error.strerror}); {_fix(path)}") from None
    try:
        _refuse_open_file(os.fstat(descriptor), path, called)
        return os.read(descriptor, _LONGEST)
    finally:
        os.close(descriptor)


def _refuse_open_file(status: os.stat_result, path: str, called: str) -> None:
    """0600 of posd's own user, or 0640 of root with posd's group. Whoever owns a file can open it to himself."""
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"{called} is not a file; correct the reader's configuration")
    if status.st_mode & _OPEN_TO_OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise DeviceDenied(f"{called} is open to others (mode {mode:04o}); {_fix(path)}")
    if status.st_uid not in (0, os.geteuid()):
        raise DeviceDenied(f"{called} belongs to another user; {_fix(path)}")
    if status.st_mode & stat.S_IRGRP and status.st_uid != 0:
        raise DeviceDenied(f"{called} can be read by a group; {_fix(path)}")


def _fix(path: str) -> str:
    return f"sudo chown root:posd {path} && sudo chmod 0640 {path}"
