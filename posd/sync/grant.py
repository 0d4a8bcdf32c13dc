"""What a till keeps of its club: ``club.json`` in the state directory, mode 0600. Loads no HTTP client, no
cryptography."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from posd.errors import ConfigError
from posd.machine import write_private
from posd.sync import key_file
from posd.sync.wire import TillGrant, WireError

FILE = "club.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class ClubAddress:
    """Where the club is and how to be believed there. ``ca_file``: certificate of a club in the back room. ``proxy``:
    only what the owner configured. ``seed``: the till's private key. ``token``: only of a till that joined before there
    were keys; the club takes it once, together with the key. ``club_key``: answers must bear its signature; empty = not
    known. No secret is ever in a repr."""

    url: str
    till_id: str = ""
    token: str = ""
    ca_file: str | None = None
    proxy: str | None = None
    seed: str = ""
    club_key: str = ""

    def __repr__(self) -> str:
        return f"ClubAddress({self.url!r}, till_id={self.till_id!r})"


@dataclass(frozen=True, slots=True)
class Linked:
    """A till that belongs to a club. ``proxy`` and ``ca_file`` as the owner gave them at enrolment. ``seed``: the
    till's private key, which lies in a file of its own; empty when that is lost."""

    url: str
    grant: TillGrant
    ca_file: str | None = None
    proxy: str | None = None
    seed: str = ""

    def __repr__(self) -> str:
        return f"Linked({self.url!r}, till_id={self.grant.till_id!r}, club={self.grant.club_name!r})"

    @property
    def address(self) -> ClubAddress:
        """What a `ClubClient` needs."""
        grant = self.grant
        return ClubAddress(
            self.url, grant.till_id, grant.token, self.ca_file, self.proxy, seed=self.seed, club_key=grant.club_key
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "v": _VERSION,
            "url": self.url,
            "ca_file": self.ca_file,
            "proxy": self.proxy,
            "grant": self.grant.as_json(),
        }


def load_grant(state_dir: Path) -> Linked | None:
    """What `enrol_till` stored; None for a till that has no club. Raises ConfigError for a damaged file."""
    path = state_dir / FILE
    try:
        document = json.loads(path.read_bytes())
        grant = TillGrant.from_json(document["grant"])
        ca_file, proxy = document.get("ca_file"), document.get("proxy")
        return Linked(str(document["url"]), grant, ca_file, proxy, key_file.load_seed(state_dir))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}): run as the user posd, or check its owner"
        ) from None
    except (WireError, ValueError, KeyError, TypeError, AttributeError):
        # The cause would quote the file, and the file holds secrets.
        raise ConfigError(f"{path} is damaged: restore it from a backup, or enrol this till again") from None


def with_key(linked: Linked, state_dir: Path) -> Linked:
    """``linked`` with a key of its own: a till that joined before there were keys makes one now, and the club takes it
    at the next contact. Raises ConfigError."""
    if linked.seed or not linked.grant.token:
        return linked
    seed = key_file.new_seed()
    key_file.store_seed(state_dir, seed)
    return replace(linked, seed=seed)


def store_grant(linked: Linked, state_dir: Path) -> None:
    """Durably, before anybody relies on it. Raises ConfigError."""
    path = state_dir / FILE
    try:
        write_private(path, json.dumps(linked.as_json(), ensure_ascii=False, indent=1).encode() + b"\n")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}): make room, then enrol with a new invitation"
        ) from None
