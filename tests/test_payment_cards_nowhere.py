"""Thousands of payment cards at a running till, and then every place that it writes to or speaks on is searched."""

from __future__ import annotations

import json
import random
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from posd.cards.keymap import strokes
from posd.events import DeviceClass
from tests.fakes.payment_cards import FORMS, cards, grouped
from tests.fakes.register import Register
from tests.fakes.running_till import RunningTill, wait_for

RUN = 7
"""Digits in a row that would betray a card. The first six and the last four may be shown by law; posd shows none."""
CARDS, BATCH = 3_000, 100
Presentation = tuple[str, str, str]
"""Number, kind of simulated reader, and what to present to it."""
_IDS_AND_TIMES = re.compile(rb"(?=[0-9a-f]*[a-f])[0-9a-f]{16,}|(?<![0-9])1[6-9][0-9]{11}(?![0-9])")
"""Hashes, ids and milliseconds since 1970: in them any seven digits come by chance."""


def typed_forms() -> list[str]:
    """The forms that a keyboard can type."""
    probe = {name: form("4111111111111111", random.Random(0)) for name, form in FORMS.items()}
    return [
        name
        for name, read in probe.items()
        if read.device_class is not DeviceClass.SMARTCARD and b"\t" not in read.payload  # Tab ends a scan
    ]


def presentations(count: int) -> Iterator[Presentation]:
    forms = typed_forms()
    for at, (number, rng) in enumerate(cards(count, seed=77)):
        if at % 5 == 0:
            yield number, "tap", rng.choice([number, f"ndef:{number}", f"ndef:card {grouped(number, rng)}"])
            continue
        text = FORMS[forms[at % len(forms)]](number, rng).payload.decode()
        try:
            strokes(text)
        except ValueError:  # no key types it
            text = number
        yield number, "swipe" if text[:1] in "%;+" else "scan", text


def windows(numbers: Iterable[str]) -> set[bytes]:
    return {number[at : at + RUN].encode() for number in numbers for at in range(len(number) - RUN + 1)}


def found_in(data: bytes, betraying: set[bytes]) -> bool:
    runs = re.findall(rb"[0-9]{%d,}" % RUN, _IDS_AND_TIMES.sub(b" ", data))
    return any(run[at : at + RUN] in betraying for run in runs for at in range(len(run) - RUN + 1))


def files(directory: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(directory)), path.read_bytes()


def reads(till: RunningTill) -> tuple[int, int]:
    """All, and those that were refused."""
    metrics = till.client.text("/metrics")
    refused = re.findall(r"^posd_reads_refused_total\{.*\} (\d+)$", metrics, re.MULTILINE)
    return int(re.findall(r"^posd_reads_total (\d+)$", metrics, re.MULTILINE)[0]), sum(map(int, refused))


def bundle(till: RunningTill) -> bytes:
    path = till.directory / "bundle.tar.gz"
    done = till.posd("support-bundle", "--yes", "--output", str(path))
    assert done.returncode == 0, done.stderr
    with tarfile.open(path) as packed:
        parts = [packed.extractfile(member) for member in packed.getmembers()]
        return done.stdout.encode() + b"\n".join(part.read() for part in parts if part is not None)


def present_all(till: RunningTill, plan: list[Presentation]) -> None:
    """By the local API, and some by `posd simulate`."""
    for done, batch in enumerate(range(0, len(plan), BATCH), start=1):
        for _, kind, text in plan[batch : batch + BATCH]:
            till.simulate(kind, text)
        wait_for(lambda least=done * BATCH: reads(till)[0] >= least, "the reads")  # type: ignore[misc]  # its own ``done``
    number = plan[0][0]
    for command in (("swipe", f";{number}=3012101?"), ("scan", number), ("tap", "payment")):
        assert till.posd("simulate", *command).returncode == 0
    wait_for(lambda: reads(till)[0] >= CARDS + 3, "the last reads")


@pytest.mark.slow
@pytest.mark.complaint(25)
def test_no_digits_of_a_payment_card_are_anywhere(tmp_path: Path) -> None:
    plan = list(presentations(CARDS))
    betraying = windows(number for number, _, _ in plan)
    with RunningTill(tmp_path, arguments=("--standalone", "--verbose")) as till:
        with Register(till).listen() as events:
            present_all(till, plan)
            events.wait("card.refused", CARDS + 3)
        everything, refused = reads(till)
        spoken = {
            "metrics": till.client.text("/metrics").encode(),
            "status": till.client.text("/v1/status").encode(),
            "view": json.dumps(till.page.view()).encode(),
            "events": json.dumps(events.events).encode(),
            "support bundle": bundle(till),
            "ledger show": till.posd("ledger", "show", "--last", "1000", "--json").stdout.encode(),
        }
        written = dict(files(till.state_dir))
        assert till.stop() == 0
    written |= {f"{name}, after the end": data for name, data in files(tmp_path)}
    spoken["log"] = "".join(till.output).encode()

    assert everything == refused, "every one was refused"
    assert not events.of("card.read")
    assert b"refused.payment" in spoken["log"]
    assert {"ledger.db", "ledger.db-wal"} <= written.keys()
    assert [name for name, data in (spoken | written).items() if found_in(data, betraying)] == []

    # Controls: the search finds a run that was planted, in a file as in what was said.
    planted = plan[-1][0][4 : 4 + RUN].encode()
    assert found_in(written["ledger.db"] + planted + b"\0", betraying)
    assert found_in(spoken["log"] + b"read on desk: " + planted, betraying)
    assert not found_in(b"12345" + planted[:6] + b" 1766361600000 0123456789abcdef", betraying)
