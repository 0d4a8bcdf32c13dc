"""HID POS scanners: parts joined, AIM identifier in front, the makers' deviations; never a shorter number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.cards.barcode import parse_scan
from posd.cards.hid_descriptor import parse_descriptor
from posd.cards.hid_reads import STRANGE_REPORT
from posd.cards.hid_scanner import (
    BROKEN_SCAN,
    EMPTY,
    LONGEST_SCAN,
    PART_GAP_NS,
    TOO_LONG,
    ScannerLayout,
    ScannerParser,
    scanner_layout,
)
from tests.fakes.hidraw_devices import (
    MAGTEK,
    POS_SCANNER,
    POS_SCANNER_BARE,
    newland_reports,
    scan_reports,
)

EAN = b"4006381333931"
LONG = b"https://example.org/member/" + bytes(range(0x30, 0x3A)) * 9
HONEYWELL, NEWLAND, ID_TECH, OTHER = 0x0C2E, 0x1EAB, 0x0ACD, 0x1A86


def layout_of(descriptor: bytes, vendor: int = OTHER) -> ScannerLayout:
    layout = scanner_layout(parse_descriptor(descriptor).inputs[0], vendor)
    assert layout is not None
    return layout


USUAL = layout_of(POS_SCANNER)


def scans(layout: ScannerLayout, *reports: bytes, gap_ns: int = 2_000_000) -> list[str | bytes]:
    """What the reports become: data, or the flaw."""
    parser = ScannerParser(layout)
    reads = [read for n, report in enumerate(reports) for read in parser.feed(report, n * gap_ns)]
    return [read.flaw or read.data for read in reads]


def test_fields_are_found_by_their_usages() -> None:
    assert ScannerLayout(2, 64, slice(5, 61), count=1, aim=2, continued=63 * 8, code=None, vendor=OTHER) == USUAL


def test_fields_are_found_where_another_maker_puts_them() -> None:
    """Continued flag first, data before the AIM identifier, no length: the descriptor says so."""
    turned = bytes.fromhex(
        "058c 0902 a101 7501 9503 8103 9501 09ff 8102 9504 8103 7508 9514 09fe 820201 9503 09fb 09fc 09fd 8102 c0"
    )
    layout = layout_of(turned)
    assert layout == ScannerLayout(0, 24, slice(1, 21), count=None, aim=21, continued=3, code=None, vendor=OTHER)
    first, last = b"\x0f" + EAN[:10].ljust(20, b"\0") + b"]E0", b"\xf7" + EAN[10:].ljust(20, b"\0") + b"]E0"
    assert scans(layout, first, last) == [b"]E0" + EAN]


def test_a_descriptor_that_names_only_the_data() -> None:
    named = bytes.fromhex("058c 0902 a101 8502 26ff00 7508 9504 0912 8102 9538 09fe 820201 9503 0900 8102 c0")
    assert scans(layout_of(named), *scan_reports(EAN)) == [b"]E0" + EAN]


@pytest.mark.parametrize("descriptor", [POS_SCANNER, POS_SCANNER_BARE])
def test_one_report_and_several(descriptor: bytes) -> None:
    layout = layout_of(descriptor)
    assert scans(layout, *scan_reports(EAN)) == [b"]E0" + EAN]
    assert len(scan_reports(LONG)) == 3
    assert scans(layout, *scan_reports(LONG, b"]Q1"), *scan_reports(EAN)) == [b"]Q1" + LONG, b"]E0" + EAN]
    assert scans(layout, *scan_reports(b"7" * 56, b"]C0")) == [b"]C0" + b"7" * 56]


def test_line_ends_go_and_what_is_inside_stays() -> None:
    assert scans(USUAL, *scan_reports(b"um: N/A\r\n", b"]X0")) == [b"]X0um: N/A"]
    assert scans(USUAL, *scan_reports(b"0101\x1d10AB\0\r", b"]C1")) == [b"]C10101\x1d10AB\0"]


def test_a_byte_in_front_of_the_aim_identifier() -> None:
    assert scans(USUAL, *scan_reports(EAN, extra=b"\x03")) == [b"]E0" + EAN]
    assert scans(USUAL, *scan_reports(LONG, b"]Q1", extra=b"\x03")) == [b"]Q1" + LONG]
    full = bytes((2, 56, 3)) + b"]C0" + b"7" * 56 + bytes(2)
    assert scans(USUAL, full) == [b"]C0" + b"7" * 56]


@pytest.mark.parametrize("vendor", [NEWLAND, ID_TECH])
def test_makers_that_send_no_aim_identifier(vendor: int) -> None:
    layout = layout_of(POS_SCANNER_BARE, vendor)
    assert scans(layout, *newland_reports(EAN)) == [EAN]
    assert scans(layout, *newland_reports(LONG)) == [LONG]
    assert scans(layout, *newland_reports(b"]E0" + EAN)) == [b"]E0" + EAN]  # set to send it as data
    assert scans(layout, bytes((2, 57)) + newland_reports(b"7" * 56)[0][2:]) == [STRANGE_REPORT]


def test_the_descriptor_outranks_the_makers_habit() -> None:
    assert scans(layout_of(POS_SCANNER, NEWLAND), *scan_reports(EAN)) == [b"]E0" + EAN]


def test_a_code_id_stands_in_for_the_aim_identifier_where_its_table_is_known() -> None:
    honeywell = layout_of(POS_SCANNER, HONEYWELL)
    for code, aim in ((b"d", "]E0"), (b"D", "]E4"), (b"j", "]C0"), (b"|", "]C1"), (b"s", "]Q1"), (b"?", None)):
        (data,) = scans(honeywell, *scan_reports(EAN, bytes(3), code=code))
        assert isinstance(data, bytes)
        assert parse_scan(data.decode()).symbology == aim
    assert scans(honeywell, *scan_reports(EAN, b"]A0", code=b"d")) == [b"]A0" + EAN]  # the AIM identifier counts
    assert scans(USUAL, *scan_reports(EAN, bytes(3), code=b"d")) == [EAN]  # another maker's letters mean nothing


def test_answers_to_commands_are_no_scans() -> None:
    answer = scan_reports(b"REVINF\x06.", b"]Z6")
    assert scans(USUAL, *answer) == []
    first, second, third = scan_reports(LONG, b"]Q1")
    assert scans(USUAL, first, *answer, second, third) == [b"]Q1" + LONG]


def test_other_reports_are_passed_over() -> None:
    first, second, third = scan_reports(LONG, b"]Q1")
    assert scans(USUAL, b"\x03\x01", first, b"\x03\x00", second, third) == [b"]Q1" + LONG]


def test_a_scan_whose_rest_does_not_come_is_a_flaw() -> None:
    first, second, _ = scan_reports(LONG, b"]Q1")
    parser = ScannerParser(USUAL)
    assert [*parser.feed(first, 0), *parser.feed(second, 5)] == []
    assert parser.deadline_ns == 5 + PART_GAP_NS
    assert parser.expire(4 + PART_GAP_NS) == []
    assert [read.flaw for read in parser.expire(5 + PART_GAP_NS)] == [BROKEN_SCAN]
    assert parser.deadline_ns is None
    assert [read.data for read in parser.feed(scan_reports(EAN)[0], 6 + PART_GAP_NS)] == [b"]E0" + EAN]


def test_another_scan_in_the_middle_breaks_the_first_and_is_read() -> None:
    first, *_ = scan_reports(LONG, b"]Q1")
    assert scans(USUAL, first, *scan_reports(EAN)) == [BROKEN_SCAN, b"]E0" + EAN]


def test_a_scan_that_began_before_the_scanner_was_opened_is_skipped_to_its_end() -> None:
    first, second, third = scan_reports(LONG, b"]Q1")
    parser = ScannerParser(USUAL, deaf_until_ns=100)
    assert [read for now, report in ((90, second), (110, third)) for read in parser.feed(report, now)] == []
    assert [read.data for report in (first, second, third) for read in parser.feed(report, 120)] == [b"]Q1" + LONG]
    parser = ScannerParser(USUAL, deaf_until_ns=100)
    assert parser.feed(second, 90) == []
    assert parser.expire(90 + PART_GAP_NS) == []  # no read was begun, so none is broken
    assert len(parser.feed(scan_reports(EAN)[0], 91 + PART_GAP_NS)) == 1


@pytest.mark.parametrize(
    ("report", "flaw"),
    [
        (scan_reports(EAN)[0][:-1], STRANGE_REPORT),
        (scan_reports(EAN)[0] + b"\0", STRANGE_REPORT),
        (b"\x02" + bytes([57]) + scan_reports(EAN)[0][2:], STRANGE_REPORT),
        (scan_reports(EAN, b"XYZ")[0], STRANGE_REPORT),
        (scan_reports(b"")[0], EMPTY),
        (scan_reports(b"\r\n")[0], EMPTY),
    ],
)
def test_what_cannot_be_used_is_a_flaw(report: bytes, flaw: str) -> None:
    assert scans(USUAL, report) == [flaw]


def test_a_scan_without_end_is_cut_off_once_and_does_not_grow() -> None:
    endless = scan_reports(b"7" * 112)[0]
    parts = LONGEST_SCAN // 56 + 1
    assert scans(USUAL, *[endless] * (3 * parts)) == [TOO_LONG]
    assert scans(USUAL, *[endless] * parts, *scan_reports(EAN), *scan_reports(EAN)) == [TOO_LONG, b"]E0" + EAN]


def test_what_carries_no_scan_has_no_layout() -> None:
    assert scanner_layout(parse_descriptor(MAGTEK).inputs[0], OTHER) is None
    short = bytes.fromhex("058c 0902 a101 8502 26ff00 7508 953e 0912 8102 c0")
    assert scanner_layout(parse_descriptor(short).inputs[0], OTHER) is None
    unnumbered = bytes.fromhex("058c 0902 a101 26ff00 7508 9540 0912 8102 c0")
    assert scanner_layout(parse_descriptor(unnumbered).inputs[0], OTHER) is None


LAYOUTS = [
    layout_of(POS_SCANNER),
    layout_of(POS_SCANNER, HONEYWELL),
    layout_of(POS_SCANNER_BARE),
    layout_of(POS_SCANNER_BARE, NEWLAND),
]


@pytest.mark.fuzz
@given(
    st.sampled_from(LAYOUTS),
    st.lists(
        st.tuples(
            st.binary(max_size=70) | st.binary(min_size=63, max_size=63).map(b"\2".__add__), st.integers(0, 10**9)
        ),
        max_size=8,
    ),
)
def test_any_reports_are_reads_or_flaws(layout: ScannerLayout, reports: list[tuple[bytes, int]]) -> None:
    parser, now_ns = ScannerParser(layout), 0
    for report, gap_ns in reports:
        now_ns += gap_ns
        for read in (*parser.expire(now_ns), *parser.feed(report, now_ns)):
            assert (read.flaw is None) != (read.data == b"")
            assert len(read.data) <= LONGEST_SCAN


@pytest.mark.fuzz
@given(st.binary(min_size=1, max_size=400).filter(lambda data: data.rstrip(b"\r\n")), st.sampled_from([b"]Q1", b"]C0"]))
def test_every_scan_comes_through(data: bytes, aim: bytes) -> None:
    wanted = data.rstrip(b"\r\n")
    assert scans(USUAL, *scan_reports(data, aim)) == [aim + wanted]
    assert scans(layout_of(POS_SCANNER_BARE, NEWLAND), *newland_reports(data)) == [wanted]
