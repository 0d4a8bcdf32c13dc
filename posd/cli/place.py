"""Which till a command means: its state directory, its configuration, its socket."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from posd.config import Config, load_config
from posd.errors import ConfigError
from posd.tables import nearest


@dataclass
class Place:
    """``state_dir`` and ``config_file`` as given on the command line."""

    state_dir: Path
    config_file: Path | None

    @cached_property
    def config(self) -> Config:
        return load_config(self.config_file)

    @property
    def ledger_file(self) -> Path:
        return self.state_dir / "ledger.db"

    @property
    def club_dir(self) -> Path:
        return self.state_dir / "club"

    @property
    def socket_file(self) -> Path:
        """Where the running till listens: the configured path, the packaged one, or the state directory's."""
        if self.config.api.socket:
            return Path(self.config.api.socket)
        packaged = Path("/run/posd/posd.sock")
        return (
            packaged if self.state_dir == Path("/var/lib/posd") and packaged.exists() else self.state_dir / "posd.sock"
        )

    def make_state_dir(self) -> None:
        """Create it, for its owner only. Raises `ConfigError` when that is not possible."""
        try:
            self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{self.state_dir} cannot be made ({error.strerror}); choose another with --state-dir"
            ) from error
        if not os.access(self.state_dir, os.W_OK | os.X_OK):
            raise ConfigError(f"{self.state_dir} cannot be written; {how_to_write(self.state_dir)}")


def how_to_write(directory: Path) -> str:
    """What to do about a directory that exists and cannot be written."""
    if os.statvfs(directory).f_flag & os.ST_RDONLY:
        return "its file system is read-only: look at the disk (dmesg), then mount it for writing again"
    if directory.stat().st_uid != os.getuid():
        return f"run: sudo chown -R {os.getuid()} {directory}"
    return f"run: chmod u+rwx {directory}"


def expect_reader(reader: str, known: Sequence[str]) -> str:
    """``reader``, when it is one of those. Raises `ConfigError` that names the nearest."""
    if reader not in known:
        raise ConfigError(f"no reader {reader!r} is configured{nearest(reader, known)}")
    return reader


def print_json(document: Any) -> None:
    """Machine-readable output: one document, keys in order, never translated."""
    json.dump(document, sys.stdout, ensure_ascii=False, indent=2)
    click.echo()


pass_place = click.make_pass_decorator(Place)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
