"""A stranger's driver from docs/example-driver, installed into an empty place and used as its page says."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parent.parent / "docs/example-driver"

pytestmark = pytest.mark.slow


class Shop:
    """A till with the package installed beside posd, and one reader that uses it."""

    def __init__(self, folder: Path) -> None:
        self.source, self.site, self.config = folder / "example", folder / "site", folder / "posd.toml"
        shutil.copytree(EXAMPLE, self.source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
        offline = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet"]
        self.python("-m", "pip", "install", *offline, "--target", str(self.site), str(self.source))

    def python(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Raises `CalledProcessError` when it fails; what it printed is in the test's report."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.source,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        print(done.stdout, done.stderr)
        done.check_returncode()
        return done

    def posd(self, *command: str) -> str:
        return self.python(*self.call(*command)).stdout

    def call(self, *command: str) -> list[str]:
        return ["-m", "posd", "--state-dir", str(self.site.parent), "--config", str(self.config), *command]

    @property
    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.site)}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("stranger"))


@pytest.fixture
def scanner(shop: Shop) -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        host, port = listener.getsockname()
        shop.config.write_text(f'[[reader]]\nid = "desk"\ndriver = "tcp_scanner"\nhost = "{host}"\nport = {port}\n')
        yield listener


def test_its_own_tests_pass(shop: Shop) -> None:
    printed = shop.python("-m", "pytest", "-q", "-p", "no:cacheprovider").stdout
    assert re.search(r"\b\d+ passed", printed)


def test_posd_knows_it(shop: Shop, scanner: socket.socket) -> None:
    listed = json.loads(shop.posd("readers", "--json"))
    assert listed["broken_drivers"] == []
    (report,) = json.loads(shop.posd("selftest", "desk", "--json"))["readers"]
    assert report["ok"]
    assert {"address", "answers"} <= {check["name"] for check in report["checks"]}


def test_a_key_that_it_does_not_have_is_named(shop: Shop, scanner: socket.socket) -> None:
    shop.config.write_text(shop.config.read_text().replace("port", "prot"))
    with pytest.raises(subprocess.CalledProcessError) as failed:
        shop.posd("selftest", "desk")
    assert "unknown key 'prot'; did you mean 'port'?" in failed.value.stdout


def test_what_it_reads_can_be_recorded_and_replayed(shop: Shop, scanner: socket.socket, tmp_path: Path) -> None:
    recording = subprocess.Popen(
        [sys.executable, "-u", *shop.call("record", "desk")],
        env=shop.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    line, _ = scanner.accept()
    line.sendall(b"4006381333931\r\n")
    assert recording.stdout is not None
    written = [recording.stdout.readline(), recording.stdout.readline()]
    recording.send_signal(signal.SIGINT)
    recording.communicate(timeout=10)
    line.close()

    transcript = tmp_path / "desk.transcript"
    transcript.write_text("".join(written))
    assert "4006381333931" not in transcript.read_text()
    (row,) = json.loads(shop.posd("replay", str(transcript), "--json"))
    assert (row["reader"], row["kind"]) == ("desk", "text")


def test_the_shipped_transcript_replays(shop: Shop, scanner: socket.socket) -> None:
    rows = json.loads(shop.posd("replay", str(EXAMPLE / "tests/desk.transcript"), "--json"))
    assert [row["kind"] for row in rows] == ["text", "text"]


def test_without_the_package_there_is_no_such_driver(shop: Shop, scanner: socket.socket) -> None:
    """Positive control: it is the installed package that answers above."""
    done = subprocess.run([sys.executable, *shop.call("selftest", "desk")], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "no driver 'tcp_scanner' is installed" in done.stdout + done.stderr
