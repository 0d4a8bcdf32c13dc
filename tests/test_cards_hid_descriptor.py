"""Report descriptors: what the maker described is found where it stands; everything else is a `DescriptorError`."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.cards.hid_descriptor import LONGEST_DESCRIPTOR, LONGEST_REPORT, DescriptorError, parse_descriptor
from posd.cards.hid_layout import HidField, ReportKind, summary
from tests.fakes.hidraw_devices import (
    ID_TECH_NATIVE,
    KEYBOARD,
    MAGTEK,
    MAGTEK_ENCRYPTED,
    MAGTEK_INSERT,
    POS_SCANNER,
    SYMBOL_COM,
)

HEAD = bytes.fromhex("0600ff 0901 a101")
END = b"\xc0"
MSR, POS = 0xFF00 << 16, 0x8C << 16


def fields_of(body: str) -> tuple[HidField, ...]:
    (report,) = parse_descriptor(HEAD + bytes.fromhex(body) + END).inputs
    return report.fields


@pytest.mark.parametrize(
    ("descriptor", "told"),
    [
        (MAGTEK, "application ff00:0001, input 337 bytes, feature 24 bytes"),
        (MAGTEK_INSERT, "application ff00:0001, input 338 bytes, feature 24 bytes"),
        (MAGTEK_ENCRYPTED, "application ff00:0001, input 476 bytes, feature 24 bytes"),
        (ID_TECH_NATIVE, "application ff00:0001, input 509 bytes, feature 32 bytes"),
        (POS_SCANNER, "application 008c:0002, input 2 64 bytes, input 3 2 bytes"),
        (SYMBOL_COM, "application ff00:0001, input 64 bytes"),
        (KEYBOARD, "application 0001:0006, input 8 bytes"),
    ],
)
def test_a_descriptor_in_one_line(descriptor: bytes, told: str) -> None:
    assert summary(parse_descriptor(descriptor)) == told


def test_the_tracks_of_a_swipe_reader_stand_where_its_manual_says() -> None:
    (report,) = parse_descriptor(MAGTEK).inputs
    spans = {field.usage - MSR: field.span for field in report.fields}
    assert spans == {
        **{0x20 + n: slice(n, n + 1) for n in range(3)},
        **{0x28 + n: slice(3 + n, 4 + n) for n in range(3)},
        0x38: slice(6, 7),
        0x30: slice(7, 117),
        0x31: slice(117, 227),
        0x32: slice(227, 337),
    }


def test_the_report_id_is_counted_and_other_reports_are_kept_apart() -> None:
    scan, trigger = parse_descriptor(POS_SCANNER).inputs
    assert (scan.report_id, trigger.report_id) == (2, 3)
    data, goes_on = scan.find(POS | 0xFE), scan.find(POS | 0xFF)
    assert data == HidField(POS | 0xFE, 40, 8, 56)
    assert goes_on == HidField(POS | 0xFF, 63 * 8, 1, 1)
    assert goes_on.span is None
    assert scan.find(POS | 0x12) is None


def test_values_without_a_usage_of_their_own_take_the_last_one() -> None:
    assert fields_of("7508 9503 0930 0931 8102") == (HidField(MSR | 0x30, 0, 8, 1), HidField(MSR | 0x31, 8, 8, 2))
    assert fields_of("7508 9501 0930 0931 8102") == (HidField(MSR | 0x30, 0, 8, 1),)
    assert fields_of("7508 9502 8102") == (HidField(MSR, 0, 8, 2),)


def test_usage_ranges_and_usages_that_bring_their_page() -> None:
    assert fields_of("7501 9504 1930 2932 8102") == (
        HidField(MSR | 0x30, 0, 1, 1),
        HidField(MSR | 0x31, 1, 1, 1),
        HidField(MSR | 0x32, 2, 1, 2),
    )
    assert fields_of("7508 9501 0b3b000100 8102") == (HidField(0x0001_003B, 0, 8, 1),)
    assert fields_of("7508 9501 1b01000800 2b02000800 8102") == (HidField(0x0008_0001, 0, 8, 1),)
    # The page counts that is set when the report item comes.
    assert fields_of("7508 9501 09fe 058c 8102") == (HidField(POS | 0xFE, 0, 8, 1),)


def test_an_array_is_one_field() -> None:
    assert fields_of("7508 9506 1900 2965 8100") == (HidField(MSR, 0, 8, 6),)


def test_padding_takes_room_and_is_no_field() -> None:
    assert fields_of("7501 9507 8103 9501 0930 8102") == (HidField(MSR | 0x30, 7, 1, 1),)
    assert fields_of("7508 9500 0930 8102 9501 0931 8102") == (HidField(MSR | 0x31, 0, 8, 1),)


def test_push_and_pop_bring_back_what_was_set() -> None:
    assert fields_of("7508 9502 a4 058c 7501 9501 09ff 8102 b4 0930 8102") == (
        HidField(POS | 0xFF, 0, 1, 1),
        HidField(MSR | 0x30, 1, 8, 2),
    )


def test_usages_hold_for_one_item_and_long_items_are_passed_over() -> None:
    assert fields_of("7508 9501 0930 8102 fe03f0 010203 8102") == (
        HidField(MSR | 0x30, 0, 8, 1),
        HidField(MSR, 8, 8, 1),
    )


def test_what_goes_to_the_device_is_counted_by_itself() -> None:
    parsed = parse_descriptor(HEAD + bytes.fromhex("7508 9540 0930 9102 9501 b102 9520 8102") + END)
    assert {report.kind: report.length for report in parsed.reports} == {
        ReportKind.OUTPUT: 64,
        ReportKind.FEATURE: 1,
        ReportKind.INPUT: 32,
    }


def test_applications_are_the_outermost_collections() -> None:
    inner = "0501 0902 a100 7508 9501 0930 8102 c0"
    parsed = parse_descriptor(
        HEAD + bytes.fromhex(f"8501 {inner}") + END + bytes.fromhex("058c 0902 a101 8502 09fe 8102 c0")
    )
    assert parsed.applications == (MSR | 1, POS | 2)
    assert [report.application for report in parsed.inputs] == [MSR | 1, POS | 2]


@pytest.mark.parametrize(
    ("nonsense", "why"),
    [
        (b"", "1 to"),
        (bytes(LONGEST_DESCRIPTOR + 1), "1 to"),
        (bytes.fromhex("06 00"), "cut off"),
        (bytes.fromhex("fe"), "cut off"),
        (bytes.fromhex("fe 05 f0 01"), "cut off"),
        (HEAD, "not closed"),
        (END, "not opened"),
        (HEAD + END + END, "not opened"),
        (bytes.fromhex("b4"), "without a push"),
        (bytes.fromhex("8500"), "no report id"),
        (bytes.fromhex("860001"), "no report id"),
        (bytes.fromhex("7508 9501 8102"), "outside"),
        (HEAD + bytes.fromhex("2905") + END, "does not fit"),
        (HEAD + bytes.fromhex("1906 2905") + END, "does not fit"),
        (HEAD + bytes.fromhex("1901 2b05000000") + END, "does not fit"),
        (HEAD + bytes.fromhex("a901 0930 a900") + END, "delimiters"),
        (HEAD + bytes.fromhex("7508 9501 8102 8501 8102") + END, "report id"),
        (HEAD + bytes.fromhex("7508 960110 8102") + END, f"more than {LONGEST_REPORT}"),
        (HEAD + bytes.fromhex("77ffffffff 97ffffffff 8102") + END, f"more than {LONGEST_REPORT}"),
        (HEAD + bytes.fromhex("7501 960018 1900 2aff5f 8102") + END, "fields"),
    ],
)
def test_nonsense_is_refused(nonsense: bytes, why: str) -> None:
    with pytest.raises(DescriptorError, match=why):
        parse_descriptor(nonsense)


@pytest.mark.fuzz
@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    with suppress(DescriptorError):
        summary(parse_descriptor(data))


ITEMS = st.tuples(st.integers(0, 15), st.integers(0, 2), st.integers(0, 3), st.binary(min_size=4, max_size=4)).map(
    lambda item: bytes([item[0] << 4 | item[1] << 2 | item[2]]) + item[3][: (0, 1, 2, 4)[item[2]]]
)


@pytest.mark.fuzz
@given(st.lists(ITEMS, max_size=60))
def test_any_items_are_parsed_or_refused(items: list[bytes]) -> None:
    """Every item is whole, so that more than the first few are reached."""
    try:
        parsed = parse_descriptor(HEAD + b"".join(items) + END)
    except DescriptorError:
        return
    for report in parsed.reports:
        assert report.length <= LONGEST_REPORT
        assert all(field.offset + field.bits * field.count <= report.bits for field in report.fields)


FIELDS = st.tuples(st.integers(1, 0xFFFF), st.sampled_from([1, 4, 7, 8, 16, 32]), st.integers(1, 60))


@pytest.mark.fuzz
@given(st.integers(0, 255), st.lists(FIELDS, min_size=1, max_size=20))
def test_what_is_described_is_found(report_id: int, wanted: list[tuple[int, int, int]]) -> None:
    body = bytes([0x85, report_id]) if report_id else b""
    offset, expected = 8 if report_id else 0, []
    for usage, bits, count in wanted:
        body += b"\x0a" + usage.to_bytes(2, "little") + bytes([0x75, bits, 0x95, count, 0x81, 0x02])
        expected.append(HidField(MSR | usage, offset, bits, count))
        offset += bits * count
    (report,) = parse_descriptor(HEAD + body + END).inputs
    assert (report.report_id, report.bits, list(report.fields)) == (report_id, offset, expected)
