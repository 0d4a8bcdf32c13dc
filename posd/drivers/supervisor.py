"""All readers of a till: started together, whatever of them is there; watched, checked and stopped together.

supervisor = Supervisor(config.readers, clock, inbox)
supervisor.start()
...
still_running = supervisor.stop()
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from queue import Full
from typing import Protocol

from posd.cards.rules import CardRules
from posd.cards.wedge import KeyTiming
from posd.clock import Clock
from posd.drivers.base import Health, HealthLevel, ReaderConfig
from posd.drivers.checks import PATIENCE_S, nothing_came
from posd.drivers.discovery import identity_of
from posd.drivers.hotplug import HotPlug, best_available
from posd.drivers.read_report import report_of
from posd.drivers.reader_thread import ReaderThread
from posd.drivers.selftest import ReaderReport, ask_driver, layout_of, report
from posd.errors import ConfigError
from posd.events import DeviceState, DeviceStatus, RawRead
from posd.tables import nearest

FULL_INBOX_RETRY_S = 0.5

log = logging.getLogger(__name__)


class Inbox(Protocol):
    """A bounded `queue.Queue` that takes (at least) what readers say."""

    def put(self, item: RawRead | DeviceStatus, block: bool = True, timeout: float | None = None) -> None: ...


class Supervisor:
    """One thread per reader, and one for hot-plug events where udev runs. ``rules``: those of the till, by which an
    interactive check explains what it read."""

    def __init__(
        self,
        readers: Sequence[ReaderConfig],
        clock: Clock,
        inbox: Inbox,
        hotplug: HotPlug | None = None,
        rules: CardRules | None = None,
    ) -> None:
        self._inbox = inbox
        self._clock = clock
        self._rules = rules or CardRules()
        self._hotplug = hotplug or best_available()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._dropped = 0
        self._readers = {config.reader_id: ReaderThread(config, clock, self._hotplug, self._tell) for config in readers}

    @property
    def dropped_statuses(self) -> int:
        """Statuses that found the inbox full. `statuses` has the newest ones all the same."""
        return self._dropped

    def start(self) -> None:
        """Returns at once; each reader tells how it fares."""
        self._hotplug.start(self._look_again)
        for reader in self._readers.values():
            reader.start()

    def stop(self, timeout_s: float = 2.0) -> list[str]:
        """Stop everything. Returns ids of readers whose driver did not let go within ``timeout_s``."""
        self._stopping.set()
        for reader in self._readers.values():
            reader.stop_soon()
        deadline_ns = self._clock.now().mono_ns + int(timeout_s * 1e9)
        stuck = [reader_id for reader_id, reader in self._readers.items() if not reader.join(self._left_s(deadline_ns))]
        if not self._hotplug.stop(self._left_s(deadline_ns)):
            stuck.append("hotplug")
        return stuck

    def statuses(self) -> list[DeviceStatus]:
        """The newest status of each reader, in the order of the configuration."""
        return [reader.status for reader in self._readers.values()]

    def last_read_age_s(self, reader_id: str) -> int | None:
        """Whole seconds since this reader said anything, a flawed read too; None when it has not since posd started."""
        last_ns = self._readers[reader_id].last_read_ns
        return None if last_ns is None else max(0, self._clock.now().mono_ns - last_ns) // 1_000_000_000

    def check(self, reader_id: str, level: HealthLevel, patience_s: float = PATIENCE_S) -> ReaderReport:
        """Check a reader of the running till. A reader that works is not opened a second time: what its thread knows is
        the answer, and an interactive check takes the next read for itself. Blocks for up to ``patience_s``."""
        reader = self._readers.get(reader_id)
        if reader is None:
            raise ConfigError(f"no reader {reader_id!r} is configured{nearest(reader_id, self._readers)}")
        spec, status = reader.spec, reader.status
        if spec is None or reader.options is None:
            wrong = Health(False, "configured", status.detail, "correct the [[reader]] table, then restart posd")
            return report(reader.config, "", level, [wrong])
        identity = identity_of(spec, reader.config)
        if status.state is not DeviceState.READY:
            detail, _, fix = status.detail.partition("; ")
            told = Health(False, "state", f"{status.state}: {detail}", fix or "plug the reader in")
            return report(reader.config, identity, level, [told, *ask_driver(spec, reader_id, reader.options, level)])
        state = Health(True, "state", self._describe(reader_id))
        checks = [state, *ask_driver(spec, reader_id, reader.options, HealthLevel.INTERNAL)]
        if level is HealthLevel.INTERACTIVE:
            came = reader.next_read(patience_s)
            checks += [nothing_came(patience_s)] if came is None else self._explained(reader, *came)
        return report(reader.config, identity, level, checks)

    def _explained(self, reader: ReaderThread, read: RawRead, timing: KeyTiming | None) -> list[Health]:
        return report_of(read, self._rules, timing, layout_of(reader.options))

    def _describe(self, reader_id: str) -> str:
        age_s = self.last_read_age_s(reader_id)
        told = "nothing was read since posd started" if age_s is None else f"the last read was {age_s} s ago"
        return f"ready; {told}"

    def _left_s(self, deadline_ns: int) -> float:
        return max(0, deadline_ns - self._clock.now().mono_ns) / 1e9

    def _look_again(self, subsystem: str) -> None:
        for reader in self._readers.values():
            reader.look_again(subsystem)

    def _tell(self, item: RawRead | DeviceStatus) -> None:
        """A status may be dropped, a read waits for its place."""
        if isinstance(item, DeviceStatus):
            try:
                self._inbox.put(item, block=False)
            except Full:
                with self._lock:
                    self._dropped += 1
            return
        warned = False
        while not self._stopping.is_set():
            try:
                self._inbox.put(item, timeout=FULL_INBOX_RETRY_S)
            except Full:
                if not warned:
                    log.warning("the inbox is full; a read of %s waits", item.device)
                warned = True
            else:
                return
