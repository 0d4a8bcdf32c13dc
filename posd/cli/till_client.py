"""Talking to the running till over its Unix socket. The file's mode is the permission; no token is needed."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from posd.errors import DeviceBusy, PosdError


class TillNotRunning(PosdError):
    """Nothing listens on the till's socket."""

    exit_code = 69


class TillRefused(PosdError):
    """The till answered with a problem document."""

    exit_code = 65


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class TillClient:
    """``TillClient(path).get("/v1/status")``. Raises `TillNotRunning`, `TillRefused`."""

    def __init__(self, path: Path, timeout_s: float = 30) -> None:
        self._path = path
        self._timeout_s = timeout_s

    def get(self, path: str) -> Any:
        return self._ask("GET", path, None, {})

    def post(self, path: str, document: Mapping[str, Any], **headers: str) -> Any:
        return self._ask("POST", path, json.dumps(document).encode(), headers)

    def text(self, path: str) -> str:
        return self._exchange("GET", path, None, {}).decode()

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Any:
        answer = self._exchange(method, path, body, headers)
        return json.loads(answer) if answer else None

    def _exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        connection = _UnixConnection(self._path, self._timeout_s)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            answer = response.read()
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise TillNotRunning(f"no till is running here ({self._path}); start one with: posd run") from error
        except PermissionError as error:
            raise TillNotRunning(f"{self._path} is not for you; run this as the user of posd, or with sudo") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise TillRefused(_problem(response.status, answer))
        return answer


def _problem(status: int, answer: bytes) -> str:
    try:
        document = json.loads(answer)
        return str(document.get("detail") or document.get("title"))
    except ValueError:
        return f"the till answered {status}"


def refuse_while_till_runs(socket_file: Path) -> None:
    """For commands that open a reader themselves. Raises `DeviceBusy` while a till answers."""
    with suppress(TillNotRunning):
        TillClient(socket_file).get("/v1/status")
        raise DeviceBusy("the running till holds its readers; stop it first: sudo systemctl stop posd")
