"""HID report descriptors: which reports a device sends, and what stands where in them (USB HID 1.11, §5.3 to §6.2.2).

>>> parse_descriptor(bytes.fromhex("0600ff 0901 a101 7508 9540 0902 8102 c0")).inputs[0].length
64
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import islice

from posd.cards.hid_layout import HidDescriptor, HidField, HidReport, ReportKind

LONGEST_DESCRIPTOR = 4096
"""Bytes; Linux hands over no more."""
LONGEST_REPORT = 4096
"""Bytes; no reader sends longer ones."""
MOST_FIELDS = 4096

_LONG_ITEM = 0xFE
_CONSTANT, _VARIABLE = 0x01, 0x02


class DescriptorError(ValueError):
    """The bytes are no report descriptor, or one that no reader has. The message says what is wrong."""


def parse_descriptor(data: bytes) -> HidDescriptor:
    """Raises `DescriptorError`."""
    if not 0 < len(data) <= LONGEST_DESCRIPTOR:
        raise DescriptorError(f"a report descriptor has 1 to {LONGEST_DESCRIPTOR} bytes, this has {len(data)}")
    parser = _Parser()
    for item in _items(data):
        parser.take(item)
    return parser.result()


class _Main(IntEnum):
    INPUT, OUTPUT, COLLECTION, FEATURE, END_COLLECTION = range(0x8, 0xD)


class _Global(IntEnum):
    PAGE, SIZE, REPORT_ID, COUNT, PUSH, POP = 0x0, 0x7, 0x8, 0x9, 0xA, 0xB


class _Local(IntEnum):
    USAGE, USAGE_MINIMUM, USAGE_MAXIMUM, DELIMITER = 0x0, 0x1, 0x2, 0xA


_MAIN, _GLOBAL, _LOCAL = range(3)
_KINDS = {
    _Main.INPUT: ReportKind.INPUT,
    _Main.OUTPUT: ReportKind.OUTPUT,
    _Main.FEATURE: ReportKind.FEATURE,
}


@dataclass(frozen=True, slots=True)
class _Item:
    kind: int
    tag: int
    value: int
    extended: bool
    """Four bytes: a usage that brings its page along (§6.2.2.8)."""


@dataclass(frozen=True, slots=True)
class _State:
    """Global items: they hold until they are changed."""

    page: int = 0
    bits: int = 0
    count: int = 0
    report_id: int = 0


@dataclass(slots=True)
class _Usages:
    """Local items: they hold for the next main item. Ranges, each first and last, and whether with their pages."""

    ranges: list[tuple[int, int, bool]] = field(default_factory=list)
    minimum: _Item | None = None

    def under(self, page: int) -> Iterator[int]:
        for first, last, extended in self.ranges:
            base = 0 if extended else page << 16
            yield from range(base + first, base + last + 1)


def _items(data: bytes) -> Iterator[_Item]:
    at = 0
    while at < len(data):
        prefix = data[at]
        length = (0, 1, 2, 4)[prefix & 3]
        if prefix == _LONG_ITEM:  # none is defined, so all are skipped (§6.2.2.3)
            length = 2 + sum(data[at + 1 : at + 2])
        value = data[at + 1 : at + 1 + length]
        if len(value) < length:
            raise DescriptorError(f"the item at byte {at} is cut off")
        if prefix != _LONG_ITEM:
            yield _Item(prefix >> 2 & 3, prefix >> 4, int.from_bytes(value, "little"), extended=length == 4)
        at += 1 + length


class _Parser:
    def __init__(self) -> None:
        self._state, self._usages = _State(), _Usages()
        self._pushed: list[_State] = []
        self._depth = 0
        self._applications: list[int] = []
        self._reports: dict[tuple[ReportKind, int], HidReport] = {}
        self._fields_left = MOST_FIELDS

    def take(self, item: _Item) -> None:
        if item.kind == _MAIN:
            self._main(item)
            self._usages = _Usages()
        elif item.kind == _GLOBAL:
            self._global(item)
        elif item.kind == _LOCAL:
            self._local(item)

    def result(self) -> HidDescriptor:
        if self._depth:
            raise DescriptorError("a collection is not closed")
        for kind, number in self._reports:
            if number and (kind, 0) in self._reports:
                raise DescriptorError(f"some {kind} reports have a report id, others have none")
        return HidDescriptor(tuple(self._applications), tuple(self._reports.values()))

    def _main(self, item: _Item) -> None:
        if item.tag == _Main.COLLECTION:
            if self._depth == 0:
                self._applications.append(next(self._usages.under(self._state.page), 0))
            self._depth += 1
        elif item.tag == _Main.END_COLLECTION:
            self._depth -= 1
            if self._depth < 0:
                raise DescriptorError("a collection is closed that was not opened")
        elif item.tag in _KINDS:
            self._values(_KINDS[_Main(item.tag)], item.value)

    def _global(self, item: _Item) -> None:
        match item.tag:
            case _Global.PAGE:
                self._state = replace(self._state, page=item.value & 0xFFFF)
            case _Global.SIZE:
                self._state = replace(self._state, bits=item.value)
            case _Global.COUNT:
                self._state = replace(self._state, count=item.value)
            case _Global.REPORT_ID:
                if not 1 <= item.value <= 0xFF:
                    raise DescriptorError(f"{item.value} is no report id")
                self._state = replace(self._state, report_id=item.value)
            case _Global.PUSH:
                self._pushed.append(self._state)
            case _Global.POP:
                if not self._pushed:
                    raise DescriptorError("a pop without a push")
                self._state = self._pushed.pop()

    def _local(self, item: _Item) -> None:
        match item.tag:
            case _Local.USAGE:
                self._usages.ranges.append((item.value, item.value, item.extended))
            case _Local.USAGE_MINIMUM:
                self._usages.minimum = item
            case _Local.USAGE_MAXIMUM:
                minimum, self._usages.minimum = self._usages.minimum, None
                if minimum is None or minimum.extended != item.extended or minimum.value > item.value:
                    raise DescriptorError("a usage maximum that does not fit its minimum")
                self._usages.ranges.append((minimum.value, item.value, item.extended))
            case _Local.DELIMITER:
                raise DescriptorError("alternative usages (delimiters), which no reader has")

    def _values(self, kind: ReportKind, flags: int) -> None:
        """Room for values in a report, and what they mean unless they only fill it up."""
        bits, count, number = self._state.bits, self._state.count, self._state.report_id
        if not self._applications:
            raise DescriptorError("values outside of every collection")
        report = self._reports.get((kind, number))
        if report is None:
            report = HidReport(kind, number, self._applications[-1], bits=8 if number else 0)
        if report.bits + bits * count > 8 * LONGEST_REPORT:
            raise DescriptorError(f"a report of more than {LONGEST_REPORT} bytes")
        found = () if flags & _CONSTANT else tuple(self._fields(report.bits, array=not flags & _VARIABLE))
        self._fields_left -= len(found)
        if self._fields_left < 0:
            raise DescriptorError(f"more than {MOST_FIELDS} fields")
        grown = replace(report, bits=report.bits + bits * count, fields=(*report.fields, *found))
        self._reports[kind, number] = grown

    def _fields(self, offset: int, *, array: bool) -> Iterator[HidField]:
        """One for each usage; the last usage means all the values that are left (§6.2.2.8)."""
        bits, count = self._state.bits, self._state.count
        if not bits * count:
            return
        usages = list(islice(self._usages.under(self._state.page), 1 if array else count))
        *single, last = usages or [self._state.page << 16]
        for n, usage in enumerate(single):
            yield HidField(usage, offset + n * bits, bits, 1)
        yield HidField(last, offset + len(single) * bits, bits, count - len(single))
