"""How a till joins its club: with an invitation, once, and a key made for it; and how it changes that key."""

from __future__ import annotations

import ipaddress
import logging
import os
from dataclasses import replace
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import posd
from posd.errors import ConfigError, SyncError
from posd.sync import key_file
from posd.sync.client import DEFAULT_TIMEOUTS, ClubClient, Exchange, Timeouts
from posd.sync.grant import FILE, ClubAddress, Linked, load_grant, store_grant
from posd.sync.identity import SigningKey, four_words, key_change
from posd.sync.outcomes import ADVICE, Answer, Delivered, Pause, Reason, Retry
from posd.sync.policy import classify
from posd.sync.wire import KeyChange, TillGrant, TillRequest

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
    """Ask the club at ``url`` to take this till, and store its key and its grant durably before returning. The key is
    new for each attempt, so two machines that began as copies are two tills; only a credential is used as it is.

    Raises ConfigError for what the owner must change (address, code, a till that is linked already) and SyncError when
    the club cannot be reached. Neither contains the code or a key.
    """
    given = key_file.load_seed(state_dir) if key_file.credential() else ""
    seed = given or key_file.new_seed()
    address = ClubAddress(check_address(url), ca_file=ca_file, proxy=proxy, seed=seed)
    _expect_writable(state_dir)
    _expect_unlinked(state_dir)
    client = ClubClient(address, timeouts)
    try:
        exchange = client.enrol(TillRequest(invitation.strip(), name, posd.__version__))
    finally:
        client.close()
    linked = Linked(address.url, _granted(exchange, address.url), ca_file, proxy, seed)
    if not given:
        key_file.store_seed(state_dir, seed)
    store_grant(linked, state_dir)
    log.info("linked to club %s as till %s", linked.grant.club_name, linked.grant.till_id)
    return linked


def words_of(linked: Linked, invitation: str) -> str:
    """The four words that the club shows for this till too, unless somebody stands between the two."""
    grant, key = linked.grant, SigningKey.of(bytes.fromhex(linked.seed))
    return " ".join(four_words(grant.club_key, key.public, grant.till_id, invitation))


def rotate_key(state_dir: Path, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> Linked:
    """Make a new key and give it to the club, signed by the old one. Both are good until the new one is used, so an
    answer that is lost harms nothing: what is on disk is good, and this may be called again.

    Raises ConfigError when the owner must act, SyncError when the club cannot be reached or does not answer well.
    """
    linked = load_grant(state_dir)
    if linked is None or not linked.seed:
        raise ConfigError("this till has no key at a club: link it with 'posd enrol URL CODE'")
    if key_file.credential():
        raise ConfigError("the key is a credential of the service manager: replace it there, then link the till anew")
    _expect_writable(state_dir)
    seed, client = key_file.new_seed(), ClubClient(linked.address, timeouts)
    try:
        exchange = client.change_key(_change(linked, seed))
    finally:
        client.close()
    if not isinstance(classify(exchange.answer), Delivered):
        raise _trouble(exchange.answer, linked.url)
    key_file.store_seed(state_dir, seed)
    log.info("till %s has a new key", linked.grant.till_id)
    return replace(linked, seed=seed)


def _change(linked: Linked, seed: str) -> KeyChange:
    old, new = (SigningKey.of(bytes.fromhex(one)) for one in (linked.seed, seed))
    return KeyChange(new.public, new.sign(key_change(linked.grant.till_id, old.public, new.public)).hex())


def check_address(url: str) -> str:
    """The club's address in the form that is stored. Raises ConfigError.

    Without TLS only in the shop's own network: what a till sends cannot be changed on the way, but it can be read.
    """
    parts = _split(url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        # Not repeated: somebody may have written a password into it.
        raise ConfigError("this is not a club's address: write it like https://club.example")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("the club's address is scheme, host and port only: no user, password, '?' or '#'")
    if parts.scheme == "http" and not _is_nearby(parts.hostname):
        raise ConfigError(f"write https://{parts.hostname}: without TLS anybody on the way could read along")
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
    """The grant, when the club signed it with the very key that it names."""
    answer, grant, stamp = exchange.answer, exchange.value, exchange.stamp
    if grant is not None and not answer.html:
        if not grant.club_key:
            raise SyncError(f"{url}: {ADVICE[Reason.NOT_UNDERSTOOD]}")
        if stamp is not None and stamp.keyid == grant.club_key:
            return grant
        raise SyncError(f"{url}: {ADVICE[Reason.NOT_THE_CLUB]}")
    if answer.status in _REFUSED and not answer.html:
        raise ConfigError(
            f"the club at {url} does not take this invitation: it is mistyped, used or out of date;"
            " make a new one on the club's page 'Tills' or with 'posd club invite'"
        )
    raise _trouble(answer, url)


def _trouble(answer: Answer, url: str) -> SyncError:
    outcome = classify(answer)
    if isinstance(outcome, Retry) and outcome.after_s:
        return SyncError(f"the club at {url} asks to wait: try again in {outcome.after_s:.0f} seconds")
    reason = outcome.reason if isinstance(outcome, Retry | Pause) else Reason.NOT_UNDERSTOOD
    return SyncError(f"{url}: {ADVICE[reason]}")


def _expect_writable(state_dir: Path) -> None:
    """Before the club is asked: an invitation works once, and its grant must find a place."""
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{state_dir} cannot be made ({error.strerror}): name another with --state-dir") from None
    if not os.access(state_dir, os.W_OK | os.X_OK):
        raise ConfigError(f"{state_dir} is not writable: run this as the user posd, or name another with --state-dir")
