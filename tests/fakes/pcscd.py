"""A real pcscd for one test process: own socket, own readers, any user, without systemd.

pcscd's socket path is compiled in, but it takes a listening socket that it is handed as systemd would (LISTEN_FDS).
The client side is PCSCLITE_CSOCK_NAME, which `tests/__init__.py` sets for each test process.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from smartcard import scard

VPCD = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so.0.8"


class Pcscd:
    """``ports``: one per slot, where a `tests.fakes.virtual_card.Slot` puts its card in; a reader has two. Readers
    come and go while pcscd is down: it does not look into its configuration again."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="posd-pcscd-"))
        self.address = os.environ["PCSCLITE_CSOCK_NAME"]
        self.ports: tuple[int, ...] = ()
        self._config = self._folder / "reader.conf.d"
        self._config.mkdir()
        self.plug_reader("Virtual PCD")
        self._process: subprocess.Popen[bytes] | None = None

    def plug_reader(self, name: str) -> tuple[int, int]:
        """One more reader from the next start on; the ports of its slots."""
        ports = free_neighbours()
        # The library keeps its slots in variables of its own, so each reader needs one for itself.
        library = shutil.copy(VPCD, self._folder / f"{ports[0]}.so")
        (self._config / name).write_text(
            f'FRIENDLYNAME "{name}"\nDEVICENAME /dev/null:0x{ports[0]:X}\nLIBPATH {library}\nCHANNELID 0x{ports[0]:X}\n'
        )
        self.ports += ports
        return ports

    def unplug_reader(self, name: str) -> None:
        """From the next start on."""
        (self._config / name).unlink()
        self.ports = self.ports[:-2]

    def start(self) -> None:
        """Up at once: clients queue on the socket while pcscd makes itself ready."""
        with socket.socket(socket.AF_UNIX) as listener:
            Path(self.address).unlink(missing_ok=True)
            listener.bind(self.address)
            listener.listen(16)
            # A shell puts its own process id into LISTEN_PID and then becomes pcscd, with the socket as descriptor 3.
            script = 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" "$@" 3<&0 0</dev/null'
            program = shutil.which("pcscd", path="/usr/sbin:/usr/bin")
            assert program, "pcscd is not installed; apt-get install pcscd vsmartcard-vpcd"
            environment = {key: value for key, value in os.environ.items() if key not in ("LD_PRELOAD", "UMOCKDEV_DIR")}
            with (self._folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    ["/bin/sh", "-c", script, program, "-f", "-c", str(self._config)],
                    stdin=listener.fileno(),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                )

    def kill(self) -> None:
        """kill -9, and the socket goes with it."""
        self._end(signal.SIGKILL)
        Path(self.address).unlink(missing_ok=True)

    def close(self) -> None:
        self._end(signal.SIGTERM)
        Path(self.address).unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


def no_card_anywhere(slots: int = 2) -> bool:
    """As pcscd sees it; it looks every 400 ms."""
    states = slot_states()
    return len(states) == slots and all(state & scard.SCARD_STATE_EMPTY for state in states)


def cards_lie_in(slots: int) -> bool:
    """So many cards are noticed."""
    return sum(bool(state & scard.SCARD_STATE_PRESENT) for state in slot_states()) == slots


def slot_states() -> list[int]:
    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    _, names = scard.SCardListReaders(context, [])
    _, states = scard.SCardGetStatusChange(context, 0, [(name, scard.SCARD_STATE_UNAWARE) for name in names or []])
    scard.SCardReleaseContext(context)
    return [state for _, state, _ in states]


@cache
def process_pcscd() -> Pcscd:
    """The pcscd of this test process, started on first use."""
    pcscd = Pcscd()
    pcscd.start()
    atexit.register(pcscd.close)
    return pcscd


def free_neighbours() -> tuple[int, int]:
    """Two free ports side by side: vpcd listens on its port and on the next one."""
    while True:
        with socket.socket() as first, socket.socket() as second, suppress(OSError, OverflowError):
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            second.bind(("127.0.0.1", port + 1))
            return port, port + 1
