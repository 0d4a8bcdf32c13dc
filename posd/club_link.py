"""The till's side of the connection with its club: news in, status and sealed personal data out."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import posd
from posd.events import DeviceStatus
from posd.ledger.members import DeltaPage
from posd.ledger.store import Store
from posd.loyalty.programs import Program, parse_program
from posd.sync.link import Link as SyncLink
from posd.sync.local_port import LocalPort
from posd.sync.wire import ReaderStatus, TillStatus
from posd.till.loop import ClubTold, LinkChanged, TillLoop
from posd.till.states import Link, LinkState

log = logging.getLogger(__name__)


def sealer(seal_key: str) -> Callable[[str], str]:
    """Seals text for the club. Its first use loads the cryptography: 6 MiB that a till can do without until then."""

    def seal_for_the_club(text: str) -> str:
        from posd.sync.sealing import seal  # noqa: PLC0415  # see above

        return seal(seal_key, text, os.urandom(32))

    return seal_for_the_club


class NewsPort(LocalPort):
    """The sync port that also tells the till what the club said."""

    def __init__(self, store: Store, loop: TillLoop) -> None:
        super().__init__(store, on_link=lambda link: loop.tell(LinkChanged(shown_link(link))))
        self._loop = loop

    def apply_deltas(self, page: DeltaPage) -> None:
        super().apply_deltas(page)
        programs = None if page.programs is None else readable_programs(page.programs)
        self._loop.tell(ClubTold(programs))


class SyncFace:
    """What the API shows of synchronisation."""

    def __init__(self, port: LocalPort) -> None:
        self._port = port

    def status(self) -> Mapping[str, Any]:
        link = self._port.link
        return {
            "state": link.state.value,
            "queue": self._port.queue(),
            "detail": link.advice,
            "stuck_seq": link.stuck_seq,
            "acked_seq": self._port.acked_head().seq,
        }

    def now(self) -> None:
        self._port.sync_now()


def shown_link(link: SyncLink) -> Link:
    contact = None if link.last_contact is None else link.last_contact.wall_ms
    return Link(LinkState(link.state.value), link.queue, contact, link.advice)


def readable_programs(documents: Iterable[Mapping[str, Any]]) -> tuple[Program, ...]:
    """Programs that this posd understands; one from a newer club is left out, and the log says so."""
    programs = []
    for document in documents:
        program = parse_program(document)
        if isinstance(program, Program):
            programs.append(program)
        else:
            log.error("program %s is left out: %s; update posd", document.get("id"), program[0])
    return tuple(programs)


def till_status(store: Store, statuses: Iterable[DeviceStatus]) -> TillStatus:
    """What the club's page shows of this till. Simulated readers are none of its business."""
    backlog = store.reader().backlog()
    readers = tuple(
        ReaderStatus(item.name or item.device, item.device_class.value, item.state.value)
        for item in statuses
        if not item.device.startswith("simulated-")
    )
    oldest_ms = None if backlog.oldest is None else backlog.oldest.wall_ms
    return TillStatus(backlog.depth, oldest_ms, readers, posd.__version__)
