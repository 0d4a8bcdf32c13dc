"""The till daemon: the only place that wires. Built bottom-up, started so that a card is never read before somebody can
answer it, stopped top-down."""

from __future__ import annotations

import logging
import os
import queue
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import posd
from posd.api.app import build_app
from posd.api.event_stream import EventHub
from posd.api.page_key import PageKey
from posd.api.pairing import Pairing
from posd.api.port import Refused
from posd.api.server import ApiServer
from posd.api.settings import ApiSettings
from posd.api.sockets import bound_port, close_sockets, open_sockets
from posd.api.tokens import TokenStore
from posd.cards.rules import CardRules, parse_rules
from posd.club_link import NewsPort, SyncFace, readable_programs, sealer, till_status
from posd.config import Config
from posd.drivers import simulated
from posd.drivers.base import ReaderConfig
from posd.drivers.supervisor import Supervisor
from posd.embedded_club import Address, EmbeddedClub, found_club, invitation
from posd.errors import ConfigError, DeviceError
from posd.ledger.store import Store
from posd.machine import SystemClock, Uuid7Source, forbid_core_dumps, notify_systemd
from posd.sync.grant import Linked, load_grant
from posd.sync.local_port import LocalPort
from posd.sync.port_messages import serve_port
from posd.till.desk import Edges, TillDesk
from posd.till.lookup import Lookup
from posd.till.loop import TillLoop
from posd.till.states import Facts, Link, LinkState
from posd.till.view import Frame

log = logging.getLogger(__name__)

INBOX_SIZE = 256
STOPPED, THREAD_DIED, DID_NOT_STOP = 0, 70, 75
SIMULATED = ("swipe", "scan", "tap")

Say = Callable[[str], object]


class Daemon:
    """One till. `run` blocks until SIGTERM or SIGINT and returns the exit status."""

    def __init__(
        self, config: Config, state_dir: Path, *, socket_path: Path, standalone: bool, sync_process: str, say: Say
    ) -> None:
        self._config = config
        self._state_dir = state_dir
        self._socket_path = socket_path
        self._standalone = standalone
        self._sync_process = sync_process
        self._say = say
        self._clock = SystemClock()
        # Signals and dead threads write into it. An Event would sleep on when the signal came just before its wait.
        self._called, self._call = socket.socketpair()
        self._call.setblocking(False)
        self._died: list[str] = []
        self._late: list[str] = []

    def run(self) -> int:
        """Raises `PosdError` for what must be mended before a till can run."""
        forbid_core_dumps()
        threading.excepthook = self._thread_died
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._call.fileno())
        with ExitStack() as running:
            self._start(running)
            self._called.recv(1)
            notify_systemd("STOPPING=1")
        if self._late:
            log.error("did not stop in time: %s", ", ".join(self._late))
            return DID_NOT_STOP
        return THREAD_DIED if self._died else STOPPED

    def _start(self, running: ExitStack) -> None:
        card_rules = parse_rules(self._config.cards)  # what is wrong in the file is said before anything is opened
        settings = replace(ApiSettings.of(self._config.api, self._state_dir), socket=self._socket_path)
        sockets = open_sockets(settings)
        running.callback(close_sockets, sockets)
        linked, club = self._club(running)
        grant = linked.grant
        store = Store.open(self._state_dir / "ledger.db", till_id=grant.till_id, clock=self._clock, epoch=grant.epoch)
        running.callback(store.close)
        hub = EventHub()
        inbox: queue.Queue[Any] = queue.Queue(INBOX_SIZE)
        loop = self._till_loop(store, linked, hub, inbox, card_rules)
        port = NewsPort(store, loop)
        supervisor = Supervisor(self._readers(), self._clock, inbox, rules=card_rules)
        desk = self._desk(loop, store, supervisor, port, linked, club, running)
        app = build_app(
            desk,
            hub,
            TokenStore(self._state_dir, self._clock),
            Pairing(self._state_dir, self._clock),
            settings,
            lambda method, document: serve_port(port, method, document),
            clock=self._clock,
        )
        loop.start_up()
        self._start_till_thread(loop, running)
        server = ApiServer(app, sockets, settings.limits)
        server.start()
        running.callback(server.stop)
        running.callback(port.cancel)
        supervisor.start()
        running.callback(lambda: self._late.extend(supervisor.stop()))
        self._start_sync(port, linked, running)
        port.report_status(till_status(store, supervisor.statuses()))
        loop.on_devices = lambda: port.report_status(till_status(store, loop.facts.readers))
        self._announce(bound_port(sockets), club)

    # The club

    def _club(self, running: ExitStack) -> tuple[Linked, EmbeddedClub | None]:
        """The club this till belongs to; for a single shop the one beside it, founded at the first start."""
        linked = load_grant(self._state_dir)
        own = self._state_dir / "club"
        if linked is not None and not own.is_dir():
            if self._standalone:
                raise ConfigError(f"this till is linked to the club at {linked.url}; start it without --standalone")
            return linked, None
        if linked is None and self._sync_process != "thread":  # no network of its own, so no club beside it
            raise ConfigError("this till belongs to no club yet; posd enrol URL CODE")
        shop = self._config.shop
        if not (own / "club.key").exists():
            self._say("Founding a club on this machine; this happens once.")
            own.mkdir(mode=0o700, exist_ok=True)
            found_club(own, name=self._config.club.name or shop.name, language=shop.language, money=shop.display)
        club = EmbeddedClub(own, self._config.club.port)
        club.start()
        running.callback(club.stop)
        if linked is None:
            from posd.sync.enrolment import enrol_till  # noqa: PLC0415  # once in a till's life

            address = club.wait_until_listening()
            linked = enrol_till(address.url, invitation(own), shop.till, self._state_dir)
        return linked, club

    def _start_sync(self, port: LocalPort, linked: Linked, running: ExitStack) -> None:
        """Last of all, when the till answers already: the HTTP client takes a tenth of a second to load."""
        if self._sync_process != "thread":
            return
        from posd.sync.process import connector  # noqa: PLC0415  # see above
        from posd.sync.worker import SyncWorker  # noqa: PLC0415

        worker = SyncWorker(port, connector(linked), self._clock)
        worker.start()
        running.callback(lambda: self._late.extend(worker.stop()))

    # The till

    def _till_loop(
        self, store: Store, linked: Linked, hub: EventHub, inbox: queue.Queue[Any], card_rules: CardRules
    ) -> TillLoop:
        shop = self._config.shop
        card_key = bytes.fromhex(linked.grant.card_key)
        lookup = Lookup(store.reader, card_key, shop.country, sealer(linked.grant.seal_key))
        facts = Facts(
            currency=shop.currency,
            shop=shop.name,
            programs=readable_programs(store.reader().programs()),
            link=Link(LinkState.OFFLINE, queue=store.reader().outbox_depth()),
            done_s=self._config.till.done_s,
            cashier=shop.cashier,
        )
        turn_s = watchdog_turn_s()
        return TillLoop(
            ledger=store,
            lookup=lookup,
            card_rules=card_rules,
            facts=facts,
            frame=Frame(shop.name, shop.till, shop.cashier, shop.calendar, shop.unit, shop.display_unit),
            clock=self._clock,
            new_id=Uuid7Source(),
            publish=hub.publish,
            language=shop.language,
            inbox=inbox,
            every_turn=(lambda: notify_systemd("WATCHDOG=1")) if turn_s else None,
            turn_s=turn_s,
        )

    def _readers(self) -> tuple[ReaderConfig, ...]:
        """The configured readers, and simulated ones where they are allowed."""
        if not self._config.api.simulated_readers:
            return self._config.readers
        return (*self._config.readers, *(simulated_reader(kind) for kind in SIMULATED))

    def _desk(
        self,
        loop: TillLoop,
        store: Store,
        supervisor: Supervisor,
        port: LocalPort,
        linked: Linked,
        club: EmbeddedClub | None,
        running: ExitStack,
    ) -> TillDesk:
        aside = ThreadPoolExecutor(2, thread_name_prefix="reader-check")
        running.callback(lambda: aside.shutdown(wait=False, cancel_futures=True))
        about = {
            "version": posd.__version__,
            "shop": self._config.shop.name,
            "till": self._config.shop.till,
            "till_id": linked.grant.till_id,
            "club": {"name": linked.grant.club_name, "url": linked.url, "embedded": club is not None},
        }
        edges = Edges(
            ledger=store,
            readers=supervisor,
            sync=SyncFace(port),
            simulate=present_simulated,
            run_aside=aside.submit,
            new_id=Uuid7Source(),
            clock=self._clock,
            about=about,
        )
        return TillDesk(loop, edges)

    def _start_till_thread(self, loop: TillLoop, running: ExitStack) -> None:
        thread = threading.Thread(target=loop.run, name="till")
        thread.start()

        def stop() -> None:
            loop.stop()
            thread.join(2)
            if thread.is_alive():
                self._late.append("till")

        running.callback(stop)

    # Telling people

    def _announce(self, port: int, club: EmbeddedClub | None) -> None:
        notify_systemd("READY=1", f"STATUS=till {self._config.shop.till} on port {port}")
        if "JOURNAL_STREAM" in os.environ:
            self._say("the addresses of the pages hold keys and are not for the journal; see: posd page")
            return
        self._say(f"cashier page  {PageKey.of(self._state_dir).address(port)}")
        if club is not None:
            club.on_listening = self._say_club
            if club.address is not None:
                self._say_club(club.address)
        if not self._config.readers:
            command = "posd" if shutil.which("posd") else sys.argv[0]
            self._say(
                f"No reader is configured; see what is plugged in with: {command} readers\n"
                "Until then present a simulated card:\n"
                f"  {command} simulate swipe ';9800000000012345?'\n"
                f"  {command} simulate scan 9800000000012345\n"
                f"  {command} simulate tap 9800000000012345"
            )

    def _say_club(self, address: Address) -> None:
        self._say(f"club page     {address.page}")

    def _thread_died(self, args: threading.ExceptHookArgs) -> None:
        """A thread that dies of a fault in posd must not leave a till that looks alive: systemd starts it anew."""
        name = args.thread.name if args.thread else "a thread"
        log.critical("%s died", name, exc_info=(args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback))
        self._died.append(name)
        self._call.send(b"\0")


def simulated_reader(kind: str) -> ReaderConfig:
    return ReaderConfig(f"simulated-{kind}", "simulated", f"simulated {kind}", None, {"kind": kind})


def present_simulated(kind: str, data: str) -> None:
    """`TillPort.simulate`."""
    try:
        simulated.feed(f"simulated-{kind}", data)
    except (ValueError, LookupError, DeviceError) as error:
        raise Refused(422, "cannot_simulate", str(error)) from error


def watchdog_turn_s() -> float | None:
    """Half of systemd's patience, when it watches us (WATCHDOG_USEC of sd_watchdog_enabled(3))."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2_000_000 if microseconds.isdecimal() else None
