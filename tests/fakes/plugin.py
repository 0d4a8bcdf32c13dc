"""A stranger's package: a module and the metadata that announces its driver, as pip would have put them."""

from __future__ import annotations

from pathlib import Path

HEAD = '''
from dataclasses import dataclass
from posd.drivers.base import Candidate, DriverSpec, Health
from posd.events import DeviceClass, RawRead

@dataclass(frozen=True)
class Config:
    address: str = ""

class Quiet:
    """Opens, and reads nothing until it is cancelled."""
    def __init__(self, device, config, clock):
        import threading
        self.device, self.clock, self.cancelled = device, clock, threading.Event()
    def read(self):
        from posd.errors import ReadCancelled
        self.cancelled.wait()
        raise ReadCancelled("stopped")
    def cancel(self):
        self.cancelled.set()
    def close(self):
        pass

def spec(name, open=Quiet, present=lambda config: True, probe=lambda: [], check=lambda *_: []):
    return DriverSpec(name, DeviceClass.SCANNER, Config, probe, open, check, present)
'''


def install(folder: Path, name: str, source: str) -> None:
    """A distribution ``name`` in ``folder`` (which must be on sys.path) whose driver ``name`` is ``SPEC`` of
    ``source``; `HEAD` stands in front of it."""
    (folder / f"{name}.py").write_text(HEAD + source)
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[posd.drivers]\n{name} = {name}:SPEC\n")
