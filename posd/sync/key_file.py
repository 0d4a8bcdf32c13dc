"""Where a till's private key lies: a credential of the service manager, or ``till.key`` in the state directory, mode
0600. 64 hex digits either way. Loads no cryptography.

A credential (systemd.exec(5), LoadCredentialEncrypted=) is decrypted for the service alone, so a stolen disk has no
key. Nothing here stops a till: without its key it sells on and the club waits.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

from posd.errors import ConfigError
from posd.machine import write_private

log = logging.getLogger("posd.sync")

FILE = "till.key"
_SEED = re.compile(r"[0-9a-f]{64}", re.ASCII)


def new_seed() -> str:
    """A key for `store_seed`, from the kernel's randomness."""
    return os.urandom(32).hex()


def credential() -> Path | None:
    """The key that the service manager hands over, when it does."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(directory, FILE) if directory else None
    return path if path is not None and path.is_file() else None


def load_seed(state_dir: Path) -> str:
    """The key; empty when there is none that can be used, which the log then says."""
    path = credential() or state_dir / FILE
    try:
        text = path.read_text("ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError):
        text = ""
    if _SEED.fullmatch(text):
        return text
    log.error("%s is damaged or may not be read; restore it from the backup of this till, then restart posd", path)
    return ""


def store_seed(state_dir: Path, seed: str) -> None:
    """Durably, in place of the one before. Raises ConfigError."""
    path = state_dir / FILE
    try:
        write_private(path, seed.encode() + b"\n")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}): make room, then try again") from None
