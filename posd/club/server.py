"""uvicorn inside our process: no access log, no signal handlers but its own, and no tick when nothing happens."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from types import FrameType

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from posd.errors import ConfigError

GRACE_S = 3


class QuietServer(uvicorn.Server):
    """uvicorn without its ten wake-ups a second: it sleeps until `stop` (any thread) or a signal ends it."""

    def __init__(self, app: ASGIApp, before_exit: Callable[[], None]) -> None:
        """``before_exit`` runs in the server's loop when the end has come: it lets go of requests that wait."""
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                http="h11",
                loop="asyncio",
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=GRACE_S,
                timeout_keep_alive=30,
                proxy_headers=False,
                h11_max_incomplete_event_size=16 << 10,
            )
        )
        self._before_exit = before_exit
        self._stopped = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ready = threading.Event()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready.set()
        if not self.should_exit:
            await self._stopped.wait()
        self._before_exit()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM, but leave alone what whoever started us chose to ignore; end like any program
        that did what it was asked, instead of dying of the signal."""
        signals = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
        before = {sig: signal.getsignal(sig) for sig in signals}
        ours = {sig: handler for sig, handler in before.items() if handler is not signal.SIG_IGN}
        loop = asyncio.get_running_loop()
        for sig in ours:
            # Through the loop, which it wakes: a plain handler sleeps on when the signal came just before its wait.
            loop.add_signal_handler(sig, self.handle_exit, sig, None)
        try:
            yield
        finally:
            for sig, handler in ours.items():
                loop.remove_signal_handler(sig)
                signal.signal(sig, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._wake()

    def stop(self) -> None:
        """End the server from any thread; requests under way get a moment to finish."""
        self.should_exit = True
        self._wake()

    def _wake(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)


def with_date(app: ASGIApp) -> ASGIApp:
    """Put a ``Date`` on each answer when it is made (uvicorn refreshes its own by a timer)."""

    async def dated(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"date", formatdate(usegmt=True).encode())]
            await send(message)

        await app(scope, receive, send_dated)

    return dated


def listening_socket(host: str, port: int) -> socket.socket:
    """A bound socket, so that the address is known before the server starts. Raises ConfigError with the way out."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ConfigError(f"cannot listen on {host} port {port} ({error.strerror}); choose another port") from error
    listener.setblocking(False)
    return listener
