"""A line to the club that can be cut: by a deadline, or by `stop()` from another thread.

`requests` has no total timeout: its read timeout starts anew with each byte, so a trickling server could hold a thread
for ever, and a name server can hold it without any timeout. Here every socket is opened by us and remembered by a
duplicate, so that ``shutdown(2)`` ends whatever blocks: connecting, the TLS handshake, headers, body.
"""

from __future__ import annotations

import contextlib
import ipaddress
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

Address = tuple[Any, ...]
Resolver = Callable[[str, int], list[Address]]


def resolve(host: str, port: int) -> list[Address]:
    """Addresses of ``host`` as getaddrinfo(3) orders them."""
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class Line:
    """All sockets of one lane. `attempt` and `connect` are called by the lane's thread, `cut` and `close` by any."""

    def __init__(self, resolver: Resolver = resolve) -> None:
        self._resolver = resolver
        self._lock = threading.Lock()
        self._handles: dict[HTTPConnection, socket.socket] = {}
        self._answer: queue.SimpleQueue[list[Address] | OSError] | None = None
        self._closed = False
        self._cut = False

    @contextlib.contextmanager
    def attempt(self, deadline_s: float) -> Iterator[None]:
        """All I/O inside ends after ``deadline_s``, whatever the other side does."""
        with self._lock:
            self._cut = self._closed
        timer = threading.Timer(deadline_s, self.cut)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self._let_go_of_closed()

    @property
    def was_cut(self) -> bool:
        """The running attempt was ended by its deadline or by `close`."""
        return self._cut

    def cut(self) -> None:
        """End whatever blocks now; what is tried afterwards in the same attempt fails at once."""
        with self._lock:
            self._cut = True
            if self._answer is not None:
                self._answer.put(TimeoutError("cut while looking up a name"))
            for handle in self._handles.values():
                # A connection that the other side has closed already is as good as cut.
                with contextlib.suppress(OSError):
                    handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Cut for good, and let go."""
        with self._lock:
            self._closed = True
        self.cut()
        with self._lock:
            handles, self._handles = list(self._handles.values()), {}
        for handle in handles:
            handle.close()

    def connect(self, connection: HTTPConnection, host: str, port: int, timeout_s: float | None) -> socket.socket:
        """A connected socket to the first address that takes one. Raises OSError."""
        failure: OSError = OSError(f"{host} has no address")
        for family, kind, protocol, _, address in self._addresses(host, port):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(timeout_s)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._remember(connection, sock)
                sock.connect(address)
            except OSError as error:
                failure = error
                sock.close()
            else:
                return sock
        raise failure

    def _remember(self, connection: HTTPConnection, sock: socket.socket) -> None:
        # A duplicate, because TLS takes the descriptor away from the socket object; both name the same connection.
        handle = sock.dup()
        with self._lock:
            earlier, cut = self._handles.pop(connection, None), self._cut
            if not cut:
                self._handles[connection] = handle
        if earlier is not None:
            earlier.close()
        if cut:
            handle.close()
            raise TimeoutError("cut before connecting")

    def _let_go_of_closed(self) -> None:
        with self._lock:
            gone = [connection for connection in self._handles if connection.sock is None]
            handles = [self._handles.pop(connection) for connection in gone]
        for handle in handles:
            handle.close()

    def _addresses(self, host: str, port: int) -> list[Address]:
        if _is_literal(host):
            return resolve(host, port)
        answer: queue.SimpleQueue[list[Address] | OSError] = queue.SimpleQueue()
        with self._lock:
            self._answer = answer
            if self._cut:
                raise TimeoutError("cut before looking up a name")
        # The only daemon thread of posd: getaddrinfo(3) knows neither timeout nor cancel, so it may be left behind.
        threading.Thread(target=self._look_up, args=(host, port, answer), name="sync-dns", daemon=True).start()
        found = answer.get()
        if isinstance(found, OSError):
            raise found
        return found

    def _look_up(self, host: str, port: int, answer: queue.SimpleQueue[list[Address] | OSError]) -> None:
        try:
            answer.put(self._resolver(host, port))
        except OSError as error:
            answer.put(error)
        except UnicodeError:
            answer.put(socket.gaierror(f"{host} is not a name of a host"))


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


class _OnLine(HTTPConnection):
    """A connection whose socket the line has opened and can cut."""

    line: Line

    def _new_conn(self) -> socket.socket:
        timeout = self.timeout
        try:
            return self.line.connect(self, self._dns_host, self.port, timeout)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"no connection to {self.host} within {timeout} s") from error
        except OSError as error:
            raise NewConnectionError(self, f"no connection: {error}") from error


class LineAdapter(HTTPAdapter):
    """Makes `requests` open its connections, direct or through a proxy, on a `Line`."""

    def __init__(self, line: Line) -> None:
        self._pools = _pool_classes(line)
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pool_classes(line: Line) -> dict[str, type[HTTPConnectionPool]]:
    plain = type("LineConnection", (_OnLine,), {"line": line})
    secure = type("SecureLineConnection", (_OnLine, HTTPSConnection), {"line": line})
    return {
        "http": type("LinePool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("SecureLinePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }
