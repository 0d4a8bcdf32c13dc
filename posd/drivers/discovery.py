"""What is plugged in, by all drivers' probes. Looks and never opens: an unknown device is listed and left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from posd.cards.reader_names import name_fits
from posd.drivers.addresses import same_node
from posd.drivers.base import Candidate, DriverSpec, ReaderConfig
from posd.drivers.containment import contained
from posd.drivers.registry import BrokenDriver, driver_names, load_driver
from posd.errors import PosdError


@dataclass(frozen=True, slots=True)
class Found:
    """A device that could be, or is, a reader. ``reader_id``: of the reader it is assigned to, else None."""

    candidate: Candidate
    reader_id: str | None


@dataclass(frozen=True, slots=True)
class Discovery:
    found: tuple[Found, ...]
    broken: tuple[BrokenDriver, ...]


def discover(readers: Sequence[ReaderConfig] = ()) -> Discovery:
    """Ask every installed driver. One that cannot be loaded or crashes is named in ``broken``."""
    found: list[Found] = []
    broken: list[BrokenDriver] = []
    for name in driver_names():
        try:
            found += _found_by(_loaded(name), readers)
        except PosdError as error:
            broken.append(BrokenDriver(name, str(error), "posd doctor"))
    return Discovery(tuple(sorted(found, key=lambda item: item.candidate.identity)), tuple(broken))


def identity_of(spec: DriverSpec, reader: ReaderConfig) -> str:
    """Port and serial of the device that ``reader`` means; empty when it is not plugged in."""
    try:
        found = _found_by(spec, [reader])
    except PosdError:
        return ""
    return next((item.candidate.identity for item in found if item.reader_id is not None), "")


def _loaded(name: str) -> DriverSpec:
    spec = load_driver(name)
    if isinstance(spec, BrokenDriver):
        raise PosdError(f"{spec.detail}; {spec.fix}")
    return spec


def _found_by(spec: DriverSpec, readers: Sequence[ReaderConfig]) -> list[Found]:
    return contained(
        spec.name, lambda: [Found(candidate, _assigned_to(candidate, readers, spec)) for candidate in spec.probe()]
    )


def _assigned_to(candidate: Candidate, readers: Sequence[ReaderConfig], spec: DriverSpec) -> str | None:
    """By the address in the reader's table, or the one that its driver takes when none stands there."""
    usual = {field.name: field.default for field in fields(spec.config_type)}.get("address")
    for reader in readers:
        address = reader.options.get("address", usual)
        if reader.driver == candidate.driver and isinstance(address, str) and _means(address, candidate):
            return reader.reader_id
    return None


def _means(address: str, candidate: Candidate) -> bool:
    """By the same node, or by a pattern where addresses are names (PC/SC)."""
    return same_node(address, candidate.address) or name_fits(candidate.address, address)
