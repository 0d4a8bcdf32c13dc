"""How a till joins its club: with an invitation, once."""

from __future__ import annotations

import ipaddress
import logging
import os
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import posd
from posd.errors import ConfigError, SyncError
from posd.sync.client import DEFAULT_TIMEOUTS, ClubClient, Exchange, Timeouts
from posd.sync.grant import FILE, ClubAddress, Linked, load_grant, store_grant
from posd.sync.outcomes import ADVICE, Pause, Reason, Retry
from posd.sync.policy import classify
from posd.sync.wire import TillGrant, TillRequest

log = logging.getLogger("posd.sync")

_REFUSED = frozenset({400, 401, 403, 404, 409, 410, 422})
_LOCAL_SUFFIXES = (".local", ".lan", ".internal", ".home.arpa", ".localhost")


def enrol_till(
    url: str,
    invitation: str,
    name: str,
    state_dir: Path,
    *,
    ca_file: str | None = None,
    proxy: str | None = None,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> Linked:
    """Ask the club at ``url`` to take this till, and store its grant durably before returning.

    Raises ConfigError for what the owner must change (address, code, a till that is linked already) and SyncError when
    the club cannot be reached. Neither contains the code or the token.
    """
    address = ClubAddress(check_address(url), ca_file=ca_file, proxy=proxy)
    _expect_writable(state_dir)
    _expect_unlinked(state_dir)
    client = ClubClient(address, timeouts)
    try:
        exchange = client.enrol(TillRequest(invitation.strip(), name, posd.__version__))
    finally:
        client.close()
    linked = Linked(address.url, _granted(exchange, address.url), ca_file, proxy)
    store_grant(linked, state_dir)
    log.info("linked to club %s as till %s", linked.grant.club_name, linked.grant.till_id)
    return linked


def check_address(url: str) -> str:
    """The club's address in the form that is stored. Raises ConfigError.

    Without TLS only in the shop's own network: the token that proves who the till is travels in each request.
    """
    parts = _split(url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        # Not repeated: somebody may have written a password into it.
        raise ConfigError("this is not a club's address: write it like https://club.example")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("the club's address is scheme, host and port only: no user, password, '?' or '#'")
    if parts.scheme == "http" and not _is_nearby(parts.hostname):
        raise ConfigError(f"write https://{parts.hostname}: without TLS anybody on the way could act as this till")
    return url.strip().rstrip("/")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url.strip())
        parts.port  # noqa: B018  # a property that raises for a port that is none
    except ValueError:
        return None
    return parts


def _is_nearby(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_SUFFIXES)
    return address.is_private or address.is_loopback or address.is_link_local


def _expect_unlinked(state_dir: Path) -> None:
    linked = load_grant(state_dir)
    if linked is not None:
        raise ConfigError(
            f"this till is linked to club {linked.grant.club_name!r} at {linked.url} already;"
            f" to link it anew, let 'posd sync now' send everything, then move {state_dir / FILE} and the ledger away"
        )


def _granted(exchange: Exchange[TillGrant], url: str) -> TillGrant:
    answer = exchange.answer
    if exchange.value is not None and not answer.html:
        return exchange.value
    if answer.status in _REFUSED and not answer.html:
        raise ConfigError(
            f"the club at {url} does not take this invitation: it is mistyped, used or out of date;"
            " make a new one on the club's page 'Tills' or with 'posd club invite'"
        )
    outcome = classify(answer)
    if isinstance(outcome, Retry) and outcome.after_s:
        raise SyncError(f"the club at {url} asks to wait: try again in {outcome.after_s:.0f} seconds")
    reason = outcome.reason if isinstance(outcome, Retry | Pause) else Reason.NOT_UNDERSTOOD
    raise SyncError(f"{url}: {ADVICE[reason]}")


def _expect_writable(state_dir: Path) -> None:
    """Before the club is asked: an invitation works once, and its grant must find a place."""
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{state_dir} cannot be made ({error.strerror}): name another with --state-dir") from None
    if not os.access(state_dir, os.W_OK | os.X_OK):
        raise ConfigError(f"{state_dir} is not writable: run this as the user posd, or name another with --state-dir")
