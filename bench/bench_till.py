"""The running till: start, size, idle, and a wedge scan from its last key to a client.

    umockdev-wrapper python -m bench.bench_till

Baselines of the same run: ``python -c pass`` for start-up and size; for the scan a bare loop on the same fake device
(python-evdev to text and nothing else).
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import evdev

from tests.fakes.input_devices import InputBench, Wedge, node
from tests.fakes.pcscd import Pcscd
from tests.fakes.running_till import RunningTill, clean_environment, wait_for
from tests.fakes.serial_port import SerialPort

SCANS = 300
BURST = 1000
IDLE_S = 10
STARTS = 7
LEFT_MARGIN = 60


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--scans", type=int, default=SCANS)
    options.add_argument("--burst", type=int, default=BURST)
    arguments, _ = options.parse_known_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as parts:
        directory = Path(name)
        devices = parts.enter_context(InputBench(Wedge(7)))
        devices.plug(7)
        with full_till(directory) as till:
            wait_for(lambda: ready(till, "wedge"), "the wedge")
            register = Listener(till)
            show_scans(devices, register, arguments.scans)
            show_burst(devices, register, arguments.burst)
            show_idle(till)
            show_size(till)
        show_bare_loop(devices, arguments.scans)
        show_start(directory)


@contextmanager
def full_till(directory: Path) -> Iterator[RunningTill]:
    """A till with one reader of each driver family."""
    with ExitStack() as parts:
        port = SerialPort(directory / "scanner")
        parts.callback(port.close)
        pcscd = Pcscd()
        pcscd.start()
        parts.callback(pcscd.close)
        config = f"""
[[reader]]
id = "wedge"
driver = "hid_keyboard"
address = "{node(7)}"
repeat_ms = 0
[[reader]]
id = "line"
driver = "serial_line"
address = "{port.path}"
repeat_ms = 0
[[reader]]
id = "chip"
driver = "pcsc"
repeat_ms = 0
"""
        till = RunningTill(directory, config=config)
        preload = {key: os.environ[key] for key in ("LD_PRELOAD", "UMOCKDEV_DIR")}
        till.environment = {**clean_environment(), **preload, "PCSCLITE_CSOCK_NAME": pcscd.address}
        yield parts.enter_context(till)


def ready(till: RunningTill, reader_id: str) -> bool:
    return any(r["id"] == reader_id and r["state"] == "ready" for r in till.client.get("/v1/readers")["readers"])


def say(what: str, figures: str) -> None:
    print(f"{what:<{LEFT_MARGIN}}{figures}")


def quantiles(values_ms: list[float]) -> str:
    ordered = sorted(values_ms)
    p95 = ordered[int(len(ordered) * 0.95)]
    return f"median {statistics.median(ordered):.2f} ms  p95 {p95:.2f} ms  worst {ordered[-1]:.2f} ms  n {len(ordered)}"


class Listener:
    """A paired register on the event stream, which notes when each ``card.read`` arrived."""

    def __init__(self, till: RunningTill) -> None:
        self.arrived: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        self._port, self._token = till.port, pair(till)
        self._connected = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        assert self._connected.wait(5), "no events"

    def _listen(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "text/event-stream"}
        connection = HTTPConnection("127.0.0.1", self._port)
        connection.request("GET", "/v1/events", headers=headers)
        kind = b""
        for line in connection.getresponse():
            self._connected.set()
            if line.startswith(b"event: "):
                kind = line[7:].strip()
            elif line.startswith(b"data: ") and kind == b"card.read":
                self.arrived.put((time.monotonic_ns(), json.loads(line[6:])["tail"]))


def pair(till: RunningTill) -> str:
    """As `docs/register-vendor.md` says."""
    code = till.posd("pair").stdout.split()[0]
    body = json.dumps({"code": code, "name": "bench", "scopes": ["read:scans"]})
    with closing(HTTPConnection("127.0.0.1", till.port)) as connection:
        connection.request("POST", "/v1/pairing", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
    return str(answer["token"])


def show_scans(devices: InputBench, listener: Listener, scans: int) -> None:
    devices.type(7, "9800000000991234\n")
    listener.arrived.get(timeout=5)
    latencies = []
    for number in range(scans):
        last_key_ns = devices.type(7, f"980000000000{number:04}\n", gap_us=500)
        arrived_ns, tail = listener.arrived.get(timeout=5)
        assert tail == f"{number:04}", (tail, number)
        latencies.append((arrived_ns - last_key_ns) / 1e6)
    say("wedge scan, last key-up to SSE client (≤ 5, p95 ≤ 10)", quantiles(latencies))


def show_burst(devices: InputBench, listener: Listener, burst: int) -> None:
    devices.type(7, "9800000000999999\n")
    listener.arrived.get(timeout=5)
    for first in range(0, burst, 50):
        text = "".join(f"980000000000{number:04}\n" for number in range(first, min(first + 50, burst)))
        devices.type(7, text, gap_us=0)
        devices.settle(7)
    tails = [listener.arrived.get(timeout=20)[1] for _ in range(burst)]
    assert tails == [f"{number:04}" for number in range(burst)], "lost, doubled or out of order"
    time.sleep(0.5)
    assert listener.arrived.empty(), "more than was scanned"
    say(f"burst of {burst} scans", "all arrived, in order, once")


def show_bare_loop(devices: InputBench, scans: int) -> None:
    """The same scans read by python-evdev alone: what the fake and the kernel's path cost."""
    found: queue.SimpleQueue[int] = queue.SimpleQueue()
    ready_to_read = threading.Event()

    def loop() -> None:
        device = evdev.InputDevice(node(7))
        ready_to_read.set()
        for event in device.read_loop():
            if event.type == 1 and event.code == evdev.ecodes.KEY_ENTER and event.value == 1:
                found.put(time.monotonic_ns())

    threading.Thread(target=loop, daemon=True).start()
    ready_to_read.wait(5)
    latencies = []
    for number in range(min(scans, 100)):
        last_key_ns = devices.type(7, f"980000000000{number:04}\n", gap_us=500)
        latencies.append((found.get(timeout=5) - last_key_ns) / 1e6)
    say("baseline: the same through python-evdev alone", quantiles(latencies))


def switches(pid: int) -> dict[str, int]:
    """Voluntary context switches of each thread: how often it woke up."""
    counts = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        fields = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
        counts[f"{fields['Name'].strip()}-{task.name}"] = int(fields["voluntary_ctxt_switches"])
    return counts


def show_idle(till: RunningTill) -> None:
    time.sleep(4)  # the last long poll and the log's clean-up are over
    before = switches(till.pid())
    time.sleep(IDLE_S)
    after = switches(till.pid())
    woken = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    say(f"wake-ups in {IDLE_S} s idle, all threads", f"{sum(woken.values())}  {woken or ''}")


def memory_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def show_size(till: RunningTill) -> None:
    bare = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=clean_environment())
    time.sleep(0.3)
    own, base = memory_kib(till.pid()), memory_kib(bare.pid)
    bare.communicate(b"\n")
    say("RSS of the till, three driver families (≤ 60)", f"{own / 1024:.1f} MiB  {own / base:.1f} x a bare Python")


def show_start(directory: Path) -> None:
    """The second start: the club is founded, the till linked. Each start is a new process to the first 200."""
    (directory / "start").mkdir()
    till = RunningTill(directory / "start")
    till.start()
    till.stop()
    to_health, to_version, to_nothing = [], [], []
    for _ in range(STARTS):
        to_nothing.append(timed([sys.executable, "-c", "pass"]))
        to_version.append(timed([str(Path(sys.executable).with_name("posd")), "--version"]))
        to_health.append(first_health(till))
    base = statistics.median(to_nothing)
    for name, values in (("posd --version (≤ 80)", to_version), ("exec to first 200 of /health (≤ 600)", to_health)):
        median = statistics.median(values)
        say(name, f"median {median:.0f} ms  {median / base:.1f} x `python -c pass` ({base:.0f} ms)")


def timed(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=clean_environment())
    return (time.perf_counter() - start) * 1000


def first_health(till: RunningTill) -> float:
    start = time.perf_counter()
    process = subprocess.Popen(
        till.command("run", "--standalone"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environment(),
    )
    try:
        while not healthy(till.port):
            time.sleep(0.002)
        return (time.perf_counter() - start) * 1000
    finally:
        process.terminate()
        process.wait(10)


def healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return answer.status == 200 and bool(json.loads(answer.read()))
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()
