"""The reports of a HID device: which there are and what stands where in them, as its report descriptor says.

Where a device numbers its reports, the first byte of each is its report id.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ReportKind(StrEnum):
    INPUT = "input"
    OUTPUT = "output"
    FEATURE = "feature"


@dataclass(frozen=True, slots=True)
class HidField:
    """``count`` values of ``bits`` bits that mean the same. ``usage``: usage page × 65536 + usage; of an array (keys of
    a keyboard) the first that it may report. ``offset``: bits from the beginning of the report as it is read, report id
    included."""

    usage: int
    offset: int
    bits: int
    count: int

    @property
    def span(self) -> slice | None:
        """Where its bytes are; None if it is not made of whole bytes."""
        if self.offset % 8 or self.bits != 8:
            return None
        return slice(self.offset // 8, self.offset // 8 + self.count)


@dataclass(frozen=True, slots=True)
class HidReport:
    """One kind of report. ``report_id``: its first byte; 0 if the device does not number its reports. ``application``:
    usage of the outermost collection around it. ``fields``: those that carry data, in order."""

    kind: ReportKind
    report_id: int
    application: int
    bits: int
    fields: tuple[HidField, ...] = ()

    @property
    def length(self) -> int:
        """Bytes of such a report as it is read."""
        return -(-self.bits // 8)

    def find(self, usage: int) -> HidField | None:
        """The first field with this usage."""
        return next((found for found in self.fields if found.usage == usage), None)


@dataclass(frozen=True, slots=True)
class HidDescriptor:
    """``applications``: usages of the outermost collections, in order."""

    applications: tuple[int, ...]
    reports: tuple[HidReport, ...]

    @property
    def inputs(self) -> tuple[HidReport, ...]:
        """What the device sends by itself."""
        return tuple(report for report in self.reports if report.kind is ReportKind.INPUT)


def summary(descriptor: HidDescriptor) -> str:
    """One line for people: ``application 008c:0002, input 2 64 bytes, feature 254 2 bytes``; the report id, if there is
    one, stands before the length."""
    parts = [f"application {usage_name(usage)}" for usage in descriptor.applications]
    for report in descriptor.reports:
        number = f"{report.report_id} " if report.report_id else ""
        parts.append(f"{report.kind} {number}{report.length} bytes")
    return ", ".join(parts)


def usage_name(usage: int) -> str:
    """``008c:0002``: page and usage."""
    return f"{usage >> 16:04x}:{usage & 0xFFFF:04x}"
