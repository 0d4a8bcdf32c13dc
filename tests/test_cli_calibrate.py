"""``posd readers calibrate``: the sheet as a file, and one scan of it on a real event node."""

from __future__ import annotations

import socketserver
import threading
import time
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from posd.cards.calibration import SHEET_TEXT
from posd.cards.keymap import strokes
from posd.cli import calibrate as command
from posd.cli.calibrate import toml_lines
from posd.cli.main import cli
from posd.drivers.contract import eventually
from posd.drivers.key_events import DEAF_NS
from posd.errors import ConfigError, DeviceBusy, DeviceError, DeviceLost
from tests.fakes.input_devices import InputBench, Wedge, link
from tests.test_cards_calibration import alt_codes, found_by

CONFIG = """\
[[reader]]
id = "desk"
driver = "hid_keyboard"
address = "{address}"

[[reader]]
id = "line"
driver = "serial_line"
address = "/dev/ttyS9"
"""


def run(tmp_path: Path, *arguments: str, config: str = "") -> Result:
    file = tmp_path / "posd.toml"
    file.write_text(config)
    return CliRunner().invoke(
        cli, ["--state-dir", str(tmp_path), "--config", str(file), "readers", "calibrate", *arguments]
    )


@pytest.mark.parametrize(("name", "begins"), [("sheet.svg", b"<svg "), ("sheet.PDF", b"%PDF-1.4")])
def test_the_sheet_is_written_as_its_name_says(tmp_path: Path, name: str, begins: bytes) -> None:
    assert run(tmp_path, "--sheet", str(tmp_path / name)).exit_code == 0
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize("name", ["sheet.png", "missing/sheet.svg"])
def test_a_sheet_that_cannot_be_is_an_error_that_says_what_to_do(tmp_path: Path, name: str) -> None:
    result = run(tmp_path, "--sheet", str(tmp_path / name))
    assert isinstance(result.exception, ConfigError)
    assert "; " in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [((), "which reader"), (("dsk",), "did you mean 'desk'"), (("line",), "hid_keyboard")],
)
def test_a_reader_that_cannot_be_calibrated(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    config = CONFIG.format(address="/dev/input/event99")
    result = run(tmp_path, *arguments, config=config if arguments else "")
    assert isinstance(result.exception, ConfigError)
    assert says in str(result.exception)


def test_the_lines_are_toml_and_only_what_is_needed() -> None:
    def table(text: str, layout: str = "us") -> dict[str, object]:
        return tomllib.loads("\n".join(toml_lines(found_by(strokes(text, layout)))))

    assert table(f"]C0{SHEET_TEXT}\r", "tr") == {"layout": "tr"}
    assert table(f'*"{SHEET_TEXT}#\r', "gb") == {"layout": "gb", "strip_prefix": '*"', "strip_suffix": "#"}
    assert table(SHEET_TEXT.swapcase() + "\r") == {"layout": "us", "follows_caps_lock": True}
    assert table(SHEET_TEXT) == {"layout": "us", "suffix": "none"}
    spelt = "\n".join(toml_lines(found_by(alt_codes(f"A{SHEET_TEXT}", packed=False))))
    assert "Alt codes" in spelt
    assert "code_ids" in spelt
    assert "GS" in "\n".join(toml_lines(found_by(strokes(SHEET_TEXT.replace("\x1d", "")))))


class RunningTill(BaseHTTPRequestHandler):
    """As much of a till as the command asks."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_a_reader_that_the_running_till_holds_is_left_to_it(tmp_path: Path) -> None:
    with socketserver.UnixStreamServer(str(tmp_path / "posd.sock"), RunningTill) as till:
        answering = threading.Thread(target=till.handle_request)
        answering.start()
        result = run(tmp_path, "/dev/input/event99")
        answering.join()
    assert isinstance(result.exception, DeviceBusy)
    (tmp_path / "posd.sock").unlink()
    assert isinstance(run(tmp_path, "/dev/input/event99").exception, DeviceLost), "control: nobody holds it"


@pytest.fixture
def bench() -> Iterator[InputBench]:
    with InputBench(Wedge(7)) as bench:
        bench.plug(7)
        yield bench


def scan(bench: InputBench, text: str) -> threading.Thread:
    """A German reader scans when the command has opened it."""

    def technician() -> None:
        eventually(lambda: bench.grabbed(7), "opening the reader")
        time.sleep(2 * DEAF_NS / 1e9)
        bench.type(7, text, layout="de")

    hand = threading.Thread(target=technician)
    hand.start()
    return hand


@pytest.mark.slow
@pytest.mark.complaint(2)
@pytest.mark.parametrize("named", [True, False])
def test_a_scan_of_the_sheet_gives_the_lines_to_configure(bench: InputBench, tmp_path: Path, named: bool) -> None:
    hand = scan(bench, f"]C0{SHEET_TEXT}\r")
    result = run(tmp_path, "desk" if named else link(7), config=CONFIG.format(address=link(7)))
    hand.join()
    assert result.exit_code == 0, result.exception
    assert tomllib.loads(result.stdout) == {"layout": "de"}
    eventually(lambda: not bench.grabbed(7), "giving the reader back")


@pytest.mark.slow
def test_nothing_scanned(bench: InputBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PATIENCE_NS", 300_000_000)
    nothing = run(tmp_path, link(7))
    assert isinstance(nothing.exception, DeviceError)
    assert "nothing was scanned" in str(nothing.exception)


@pytest.mark.slow
def test_another_code_is_no_calibration(bench: InputBench, tmp_path: Path) -> None:
    hand = scan(bench, "4006381333931\r")
    result = run(tmp_path, link(7))
    hand.join()
    assert isinstance(result.exception, DeviceError)
    assert "not the code of the sheet" in str(result.exception)
    assert "4006381333931" not in result.output + str(result.exception)
