"""The file with the chip keys is read only when it is closed to others, and never quoted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from posd.cards.card_keys import SUN_FILE
from posd.drivers.keys_file import read_keys
from posd.errors import ConfigError, DeviceDenied

KEY = "00112233445566778899AABBCCDDEEFF"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.toml"
    path.write_text(f'[sun]\nfile = "{KEY}"\n')
    path.chmod(0o600)
    return path


def test_a_closed_file_is_read(file: Path) -> None:
    assert read_keys(str(file))[SUN_FILE] == bytes.fromhex(KEY)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o601, 0o602, 0o660, 0o620, 0o666, 0o777])
def test_a_file_that_is_open_to_others_is_refused_with_the_chmod(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(DeviceDenied, match=rf"mode {mode:04o}\); .*chmod 0640 {file}") as refused:
        read_keys(str(file))
    assert KEY not in str(refused.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(
    ("owner", "mode", "refused"), [(0, 0o640, ""), (65534, 0o600, "another user"), (65534, 0o640, "another user")]
)
def test_whose_file_it_may_be(file: Path, owner: int, mode: int, refused: str) -> None:
    os.chown(file, owner, -1)
    file.chmod(mode)
    if not refused:
        assert read_keys(str(file))
        return
    with pytest.raises(DeviceDenied, match=refused):
        read_keys(str(file))


def test_files_that_are_none(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not there"):
        read_keys(str(tmp_path / "missing"))
    with pytest.raises(ConfigError, match="is not a file"):
        read_keys(str(tmp_path))
    file.write_text(f"[sun]\nfile = {KEY}\n")
    with pytest.raises(ConfigError, match="is not TOML") as refused:
        read_keys(str(file))
    assert KEY not in str(refused.value)
    assert refused.value.__cause__ is None
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not TOML"):
        read_keys(str(file))
