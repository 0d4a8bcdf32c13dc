"""uvicorn, embedded: one thread, no signal handlers, no tick. Nothing wakes up while nobody asks."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence

import uvicorn

from posd.api.app import ApiApp
from posd.api.protocol import protocol_with
from posd.api.settings import Limits
from posd.api.sockets import close_sockets
from posd.errors import ConfigError

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
_GRACE_S = 2
"""How long a request that is being answered may take when posd stops."""
_KEEP_ALIVE_S = 15


class ApiServer:
    """Serves ``app`` on listening sockets, which it closes at `stop`. ``posd.api.sockets.open_sockets`` makes them."""

    def __init__(self, app: ApiApp, sockets: Sequence[socket.socket], limits: Limits | None = None) -> None:
        self._app = app
        self._sockets = list(sockets)
        self._server = _QuietServer(_config(app, limits or Limits()))
        self._thread = threading.Thread(target=self._run, name="posd-api", daemon=True)

    def start(self) -> None:
        """Returns when the first request can be answered. Raises `ConfigError` when the server could not start."""
        self._thread.start()
        if not self._server.ready.wait(START_TIMEOUT_S) or not self._server.started:
            raise ConfigError("the local API did not start; the log says why")

    def stop(self) -> None:
        """End streams and waits, finish what is being answered, close the sockets. May be called twice."""
        self._app.close()
        self._server.leave()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)
        close_sockets(self._sockets)

    def _run(self) -> None:
        try:
            asyncio.run(self._server.serve(self._sockets))
        finally:
            self._server.ready.set()


def _config(app: ApiApp, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol_with(limits),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
        h11_max_incomplete_event_size=limits.header_bytes,
        backlog=64,
    )


class _QuietServer(uvicorn.Server):
    """uvicorn's main loop looks ten times a second whether it should end; this one is told."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leaving = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        with self._lock:
            self._loop = asyncio.get_running_loop()
        self.ready.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)  # once: it sets the default headers
        if not self.should_exit:
            await self._leaving.wait()
        with self._lock:
            self._loop = None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's, and then nothing is left open: a client that still waits for its answer is cut off."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0)  # the loop's turn to close what was aborted

    def leave(self) -> None:
        """From any thread, any number of times."""
        with self._lock:
            self.should_exit = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._leaving.set)
