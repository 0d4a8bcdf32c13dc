"""Keys of tills that tests make up, and their signatures on what `requests` sends."""

from __future__ import annotations

import os
from typing import Any

import requests
from requests.auth import AuthBase

from posd.machine import SystemClock
from posd.sync.client import ClubTime
from posd.sync.identity import SigningKey
from posd.sync.signing import Request, claimed, signed

CLUB_KEY = SigningKey.of(b"a club of the tests".ljust(32, b"."))
KEYS: dict[str, SigningKey] = {}
"""Till → the key that it joined with."""


class SignedBy(AuthBase):
    """``requests.post(…, auth=SignedBy(key))``. A club with another clock is believed, as tills do."""

    def __init__(self, key: SigningKey) -> None:
        self.key = key
        self.time = ClubTime(SystemClock())

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        content = request.body or b""
        content = content.encode() if isinstance(content, str) else content
        message = Request(str(request.method), request.path_url, content)
        request.headers.update(signed(message, self.key, self.time.now_s(), os.urandom(16).hex()))
        request.hooks = {"response": [self._hear]}
        return request

    def _hear(self, answer: requests.Response, **how: Any) -> requests.Response:
        stamp = claimed(answer.headers)
        if answer.status_code != 401 or answer.json()["code"] != "clock_skew" or stamp is None:
            return answer
        self.time.hear(stamp.created)
        again = self(answer.request.copy())
        again.hooks = {"response": []}
        session = requests.Session()
        session.trust_env = False
        with session:
            return session.send(again, **how)
