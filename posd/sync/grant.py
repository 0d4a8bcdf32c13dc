"""What a till keeps of its club: ``club.json`` in the state directory, mode 0600. Loads no HTTP client."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posd.errors import ConfigError
from posd.machine import write_private
from posd.sync.wire import TillGrant, WireError

FILE = "club.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class ClubAddress:
    """Where the club is and how to be believed there. ``ca_file``: certificate of a club in the back room. ``proxy``:
    only what the owner configured. ``token`` is empty before enrolment and never in a repr."""

    url: str
    till_id: str = ""
    token: str = ""
    ca_file: str | None = None
    proxy: str | None = None

    def __repr__(self) -> str:
        return f"ClubAddress({self.url!r}, till_id={self.till_id!r})"


@dataclass(frozen=True, slots=True)
class Linked:
    """A till that belongs to a club. ``proxy`` and ``ca_file`` as the owner gave them at enrolment."""

    url: str
    grant: TillGrant
    ca_file: str | None = None
    proxy: str | None = None

    def __repr__(self) -> str:
        return f"Linked({self.url!r}, till_id={self.grant.till_id!r}, club={self.grant.club_name!r})"

    @property
    def address(self) -> ClubAddress:
        """What a `ClubClient` needs."""
        return ClubAddress(self.url, self.grant.till_id, self.grant.token, self.ca_file, self.proxy)

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
        return Linked(str(document["url"]), grant, document.get("ca_file"), document.get("proxy"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}): run as the user posd, or check its owner"
        ) from None
    except (WireError, ValueError, KeyError, TypeError, AttributeError):
        # The cause would quote the file, and the file holds secrets.
        raise ConfigError(f"{path} is damaged: restore it from a backup, or enrol this till again") from None


def store_grant(linked: Linked, state_dir: Path) -> None:
    """Durably, before anybody relies on it. Raises ConfigError."""
    path = state_dir / FILE
    try:
        write_private(path, json.dumps(linked.as_json(), ensure_ascii=False, indent=1).encode() + b"\n")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}): make room, then enrol with a new invitation"
        ) from None
