"""``posd readers calibrate``: which layout a reader types in, from one scan of a sheet that posd prints itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from posd.cards import calibration_sheet
from posd.cards.calibration import Calibration
from posd.cards.calibration import calibrate as calibration_of
from posd.cards.keymap import KeyEvent
from posd.cli.place import Place, expect_reader, pass_place
from posd.cli.till_client import refuse_while_till_runs
from posd.clock import Clock
from posd.drivers.base import ReaderConfig
from posd.drivers.hid_keyboard import SPEC, HidKeyboardConfig, open_keys
from posd.drivers.key_events import KeyStream
from posd.drivers.registry import build_options
from posd.errors import ConfigError, DeviceError
from posd.machine import SystemClock

PATIENCE_NS = 120_000_000_000
"""How long the technician may take to scan."""
SILENCE_NS = 700_000_000
"""The scan is over: longer than any reader pauses."""

_ENDS = {"\r": "Enter", "\n": "Ctrl+J", "\t": "Tab"}


@click.command()
@click.argument("reader", required=False)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the sheet to scan: a file .svg (English, Persian, Arabic) or .pdf (English).",
)
@pass_place
def calibrate(place: Place, reader: str | None, sheet: Path | None) -> None:
    """Find out how READER types: print the sheet, scan its code, copy the lines that are printed.

    READER is a keyboard reader of the configuration, or the address of one that is not configured yet; when only one
    is configured it may be left out. Stop posd first.
    """
    if sheet is not None:
        _write_sheet(sheet)
        return
    config = _chosen(place, reader)
    refuse_while_till_runs(place.socket_file)
    clock = SystemClock()
    keys = open_keys(config, clock)
    try:
        click.echo("scan the code of the sheet now (Ctrl-C ends)", err=True)
        found = calibration_of(list(_one_scan(keys, clock)))
    finally:
        keys.close()
    if isinstance(found, str):
        raise DeviceError(found)
    click.echo("\n".join(toml_lines(found)))


def toml_lines(found: Calibration) -> Iterator[str]:
    """What goes into the ``[[reader]]`` table, with remarks."""
    layout, *others = found.layouts
    if found.alt_codes:
        yield "# the reader types Alt codes, which any layout reads; plain keyboard mode would be faster"
    elif others:
        yield f"# {', '.join(others)} would read every card the same"
    yield f"layout = {json.dumps(layout)}"
    if found.caps_lock:
        yield "# upper and lower case come exchanged. If the Caps Lock lamp is lit now, the reader follows it:"
        yield "follows_caps_lock = true"
        yield "# if the lamp is dark, switch the reader's own Caps Lock setting off instead"
    if found.gs_key:
        yield f"gs_key = {json.dumps(found.gs_key)}"
    elif found.gs_key is None:
        yield "# GS, which divides the parts of GS1 codes, is not typed; set the reader to send it as Ctrl+]"
    if found.prefix:
        if len(found.prefix) == 1:
            yield "# one character may be a code identifier, which differs from code to code: then see code_ids"
        yield f"strip_prefix = {json.dumps(found.prefix)}"
    if found.suffix:
        yield f"strip_suffix = {json.dumps(found.suffix)}"
    yield "# AIM identifiers come: leave them on" if found.aim else "# AIM identifiers do not come: switch them on"
    if found.terminator:
        yield f"# a scan ends with {' and '.join(_ENDS[key] for key in found.terminator)}"
    else:
        yield "# a scan ends with silence; better let the reader send Enter behind it, and leave this line out"
        yield 'suffix = "none"'


def _write_sheet(file: Path) -> None:
    """Raises `ConfigError` for another kind of file, or where it cannot be written."""
    makers = {".svg": lambda: calibration_sheet.svg().encode(), ".pdf": calibration_sheet.pdf}
    maker = makers.get(file.suffix.lower())
    if maker is None:
        raise ConfigError(f"{file} is neither .svg nor .pdf; name the file after what it shall be")
    try:
        file.write_bytes(maker())
    except OSError as error:
        raise ConfigError(f"{file} cannot be written ({error.strerror}); choose another place") from error
    click.echo(f"{file}: print it at its full size, then: {calibration_sheet.COMMAND}")


def _chosen(place: Place, reader: str | None) -> HidKeyboardConfig:
    if reader is not None and reader.startswith("/"):
        return HidKeyboardConfig(address=reader)
    configured = {item.reader_id: item for item in place.config.readers}
    keyboards = [item for item in configured.values() if item.driver == SPEC.name]
    if reader is not None:
        return _options(configured[expect_reader(reader, list(configured))])
    if len(keyboards) == 1:
        return _options(keyboards[0])
    known = ", ".join(item.reader_id for item in keyboards) or "none is configured"
    raise ConfigError(f"which reader? Name it, or give its address under /dev/input/by-path; keyboards: {known}")


def _options(reader: ReaderConfig) -> HidKeyboardConfig:
    if reader.driver != SPEC.name:
        raise ConfigError(
            f"reader {reader.reader_id!r} ({reader.driver}) types nothing; calibrate those on {SPEC.name}"
        )
    options: HidKeyboardConfig = build_options(SPEC, reader)
    return options


def _one_scan(keys: KeyStream, clock: Clock) -> Iterator[KeyEvent]:
    """All keys up to the first silence. Raises `DeviceError` when none comes."""
    deadline_ns = clock.now().mono_ns + PATIENCE_NS
    some = False
    while clock.now().mono_ns < deadline_ns:
        for event in keys.receive(deadline_ns):
            yield event
            some, deadline_ns = True, event.time_ns + SILENCE_NS
    if not some:
        raise DeviceError("nothing was scanned; check that the reader beeps and that this is its address")
