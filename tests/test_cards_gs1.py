"""GS1 codes: element strings, what is left of them when FNC1 is lost, Digital Links, and the number of a member."""

from __future__ import annotations

import re

import pytest
from biip import ParseError
from biip.gs1_application_identifiers import _GS1_APPLICATION_IDENTIFIERS as AI_TABLE
from biip.gs1_digital_link_uris import GS1DigitalLinkURI
from biip.gs1_messages import GS1Message
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from posd.cards.checks import gs1_digit, gs1_ok
from posd.cards.gs1 import GS, Elements, Gs1CheckError, Gs1Error, member_numbers, parse_elements
from posd.cards.gs1_link import parse_link
from posd.cards.gsrn import member_number
from posd.cards.reads import Refusal, RejectReason

GSRN = "123456789012345675"
OTHER = "795260646688514634"
WRONG = GSRN[:-1] + "4"
GSRNS = st.from_regex(r"[0-9]{17}", fullmatch=True).map(lambda body: body + gs1_digit(body))


# --- element strings


@pytest.mark.parametrize(
    ("data", "elements"),
    [
        (f"8018{GSRN}", [("8018", GSRN)]),
        (f"8018{GSRN}{GS}80191", [("8018", GSRN), ("8019", "1")]),
        (f"8018{GSRN}{GS}8019{'9' * 10}", [("8018", GSRN), ("8019", "9" * 10)]),
        (f"8018{GSRN}{GS}", [("8018", GSRN)]),
        (
            f"0104006381333931{'17'}26123110LOT7{GS}21X",
            [("01", "04006381333931"), ("17", "261231"), ("10", "LOT7"), ("21", "X")],
        ),
        (f"0104006381333931{GS}10LOT", [("01", "04006381333931"), ("10", "LOT")]),
        ("3103001750", [("3103", "001750")]),
        ("4104006381333931", [("410", "4006381333931")]),
        ("91M-7719", [("91", "M-7719")]),
        (f"(8018){GSRN}(8019)1", [("8018", GSRN), ("8019", "1")]),
        ("(01)04006381333931(10)LOT7", [("01", "04006381333931"), ("10", "LOT7")]),
        ("", []),
    ],
)
def test_element_strings(data: str, elements: list[tuple[str, str]]) -> None:
    assert parse_elements(data) == tuple(elements)


@pytest.mark.parametrize(
    "data",
    [
        "801812345",
        f"8018{GSRN}80191",
        f"8018{GSRN}{GS}8019{'9' * 11}",
        f"8018{GSRN}{GS}8019",
        f"8018{GSRN}{GS}8019A",
        "8018" + "١" * 18,
        "01040063813339",
        "X1",
        "10",
        "17",
        "8",
        "91" + "A" * 91,
        "(8018)",
        f"(8018){GSRN}x(8019)1",
        f"(801){GSRN}",
        f"x(8018){GSRN}",
        f"(8018){GSRN}(",
    ],
)
def test_element_strings_that_are_wrong(data: str) -> None:
    with pytest.raises(Gs1Error):
        parse_elements(data)


@pytest.mark.parametrize(
    "data",
    [f"8018{WRONG}", f"8017{WRONG}", "0104006381333932", "4104006381333932", "00" + "0" * 17 + "1", f"(8018){WRONG}"],
)
def test_wrong_check_digits_are_told_apart(data: str) -> None:
    with pytest.raises(Gs1CheckError) as wrong:
        parse_elements(data)
    assert not re.search("[0-9]{5}", str(wrong.value)), "the message carries nothing of the number"


def own_elements(data: str) -> Elements | None:
    try:
        return parse_elements(data)
    except Gs1Error:
        return None


@pytest.mark.slow
@settings(max_examples=1_000, deadline=None)
@given(st.data())
def test_every_identifier_of_a_library_is_read_as_the_library_does(data: st.DataObject) -> None:
    """biip knows 541 AIs by their patterns; codes made of them must come apart at the same places."""
    chosen = data.draw(st.lists(st.sampled_from(sorted(AI_TABLE)), min_size=1, max_size=4))
    code, values = "", []
    for number, ai in enumerate(chosen):
        text = data.draw(st.from_regex(re.compile(AI_TABLE[ai].pattern, re.ASCII), fullmatch=True)).rstrip("\n")
        value = text[len(ai) :]
        if ai in ("00", "01", "02", "03", "8017", "8018") or ai[:2] == "41":
            value = value[:-1] + gs1_digit(value[:-1])
        values.append((ai, value))
        last = number == len(chosen) - 1
        code += ai + value + (GS if AI_TABLE[ai].separator_required and not last else "")
    assume(all(value for _, value in values))  # the library lets AI 30 go without one, the standard (N..8) does not
    try:
        theirs = [(element.ai.ai, element.value) for element in GS1Message.parse(code).element_strings]
    except ParseError:
        assume(False)  # a day that no calendar has
    assert own_elements(code) == tuple(values) == tuple(theirs)


def test_what_the_library_lets_pass_and_posd_does_not() -> None:
    """The gaps that made it an oracle of the tests and not a part of the till."""
    for code in (f"8018{WRONG}", "8018" + "١" * 18, "4104006381333932", f"8018{GSRN}80191"):
        assert GS1Message.parse(code).element_strings
        assert own_elements(code) is None
    for link in (f"https://x.example/00/8018/{GSRN}", f"https://x.example/gsrn/{GSRN}"):
        assert parse_link(link) == (("8018", GSRN),)
        with pytest.raises(ParseError):
            GS1DigitalLinkURI.parse(link)


# --- FNC1 lost on the way


@pytest.mark.parametrize(
    ("data", "numbers"),
    [
        (f"8018{GSRN}80191", {GSRN}),
        (f"8018{GSRN}10LOT21SERIAL", {GSRN}),
        (f"10A{GS}8018{GSRN}80191", {GSRN}),
        (f"80191234{GS}8018{GSRN}", {GSRN}),
        (f"801912348018{GSRN}", {GSRN, None}),
        (f"91A8018{GSRN}", {GSRN, None}),
        (f"8018{GSRN}8018{OTHER}", {GSRN, OTHER}),
        (f"8018{WRONG}80191", set()),
        ("91A", {None}),
        ("", {None}),
        ("A", set()),
        (f"8018{GSRN}" + "91" + "A" * 120, set()),
    ],
)
def test_every_way_to_read_a_code_without_fnc1(data: str, numbers: set[str | None]) -> None:
    assert member_numbers(data) == numbers


@given(GSRNS, st.from_regex(r"[0-9]{1,10}", fullmatch=True))
def test_what_can_be_read_in_two_ways_is_nobodys(number: str, instance: str) -> None:
    """The instance in front, FNC1 dropped: either the number is found, or the code is refused; never another number."""
    found = member_number(f"8019{instance}8018{number}", "]C1")
    assert found == number or isinstance(found, Refusal) or found is None
    assert member_number(f"8018{number}8019{instance}", "]C1") == number


# --- the member's number


@pytest.mark.parametrize("symbology", ["]C1", "]e0", "]d2", "]Q3", "]J1", None])
@pytest.mark.parametrize("data", [f"8018{GSRN}", f"{GS}8018{GSRN}", f"8018{GSRN}{GS}80191", f"(8018){GSRN}(8019)7"])
def test_the_member_number(symbology: str | None, data: str) -> None:
    assert member_number(data, symbology) == GSRN


@pytest.mark.parametrize(
    ("data", "symbology", "reason"),
    [
        (f"8018{WRONG}", "]C1", RejectReason.BAD_CHECK),
        (f"(8018){WRONG}", None, RejectReason.BAD_CHECK),
        (f"https://club.example/8018/{WRONG}", "]Q1", RejectReason.BAD_CHECK),
        (f"8017{GSRN}", "]C1", RejectReason.OTHER_CLUB),
        (f"8017{GSRN}", None, RejectReason.OTHER_CLUB),
        (f"https://club.example/8017/{GSRN}", None, RejectReason.OTHER_CLUB),
        (f"https://club.example/gsrnp/{GSRN}", None, RejectReason.OTHER_CLUB),
        (f"801912348018{GSRN}", "]C1", RejectReason.UNREADABLE),
        (f"8018{GSRN}{GS}8018{OTHER}", "]C1", RejectReason.UNREADABLE),
    ],
)
def test_codes_that_should_carry_a_member_and_do_not(data: str, symbology: str | None, reason: RejectReason) -> None:
    refusal = member_number(data, symbology)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason
    assert not re.search("[0-9]{5}", refusal.detail)


@pytest.mark.parametrize(
    ("data", "symbology"),
    [
        (f"8018{WRONG}", None),
        (f"8018{GSRN}5", None),
        (f"8018{GSRN}80191", None),
        ("0104006381333931", None),
        ("0104006381333931", "]C1"),
        ("91M-7719", "]C1"),
        ("garbled", "]C1"),
        ("MEM-1", None),
        ("(M)", None),
        ("https://club.example/", "]Q1"),
    ],
)
def test_codes_that_are_something_else(data: str, symbology: str | None) -> None:
    assert member_number(data, symbology) is None


# --- Digital Links


@pytest.mark.parametrize(
    "link",
    [
        f"https://club.example/8018/{GSRN}",
        f"http://club.example:8080/8018/{GSRN}",
        f"HTTPS://CLUB.EXAMPLE/8018/{GSRN}",
        f"HTTP://CLUB.EXAMPLE/8018/{GSRN}",
        f"https://باشگاه.example/8018/{GSRN}",
        f"https://club.example/a/b/c/8018/{GSRN}",
        f"https://club.example/01/8018/{GSRN}",
        f"https://club.example/8017/{OTHER}/8018/{GSRN}",
        f"https://club.example/gsrn/{GSRN}",
        f"HTTPS://CLUB.EXAMPLE/GSRN/{GSRN}",
        f"https://club.example/8018/{GSRN}/",
        f"https://club.example/8018/{GSRN}?17=261231&linkType=all",
        f"https://club.example/8018/{GSRN}#top",
        "https://club.example/8018/12345678901234567%35",
        f"https://club.example/%38018/{GSRN}",
    ],
)
def test_links_that_name_a_member(link: str) -> None:
    assert parse_link(link) == (("8018", GSRN),)
    assert member_number(link) == member_number(link, "]Q1") == member_number(link, "]Q3") == GSRN


@pytest.mark.parametrize(
    ("link", "elements"),
    [
        (f"https://club.example/8018/{GSRN}/8019/1", (("8018", GSRN), ("8019", "1"))),
        (f"https://club.example/a/gsrn/{GSRN}/srin/1?x=1", (("8018", GSRN), ("8019", "1"))),
        (f"https://club.example/gsrnp/{GSRN}", (("8017", GSRN),)),
        ("https://goods.example/01/4006381333931/10/AB%2F12", (("01", "04006381333931"),)),
        ("https://goods.example/gtin/96385074", (("01", "00000096385074"),)),
        ("https://goods.example/00/000000000000000000", (("00", "0" * 18),)),
    ],
)
def test_links_that_name_something(link: str, elements: Elements) -> None:
    assert parse_link(link) == elements


@pytest.mark.parametrize(
    "text",
    [
        f"Https://club.example/8018/{GSRN}",
        f"ftp://club.example/8018/{GSRN}",
        f"//club.example/8018/{GSRN}",
        f"https:///8018/{GSRN}",
        f"https://club.example/8018/{GSRN[:-1]}",
        f"https://club.example/8018/{GSRN}/8019",
        f"https://club.example/8018/{GSRN}/8019/12345678901",
        "https://club.example/8018/12345678901234567%3",
        "https://club.example/8018/12345678901234567%٣٥",
        f"https://club.example/?8018={GSRN}",
        "https://shop.example/01/about",
        "https://club.example",
        "https://[",
        "8018",
    ],
)
def test_what_is_no_such_link(text: str) -> None:
    assert parse_link(text) is None


@given(GSRNS, st.sampled_from(["", "/a", "/a/b", "/01", "/8018", "/8018/x"]), st.sampled_from(["", "?a=1", "#x", "/"]))
def test_every_gsrn_is_found(number: str, path: str, behind: str) -> None:
    assert member_number(f"8018{number}") == number
    assert member_number(f"https://x.example{path}/8018/{number}{behind}") == number


@given(GSRNS, st.integers(0, 17), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(number: str, place: int, by: int) -> None:
    wrong = number[:place] + str((int(number[place]) + by) % 10) + number[place + 1 :]
    assert not gs1_ok(wrong)
    for data in (f"8018{wrong}", f"https://x.example/8018/{wrong}"):
        refusal = member_number(data, "]C1")
        assert isinstance(refusal, Refusal)
        assert refusal.reason is RejectReason.BAD_CHECK


# --- any bytes

PIECES = st.sampled_from(
    [
        "8018",
        "8017",
        "8019",
        "01",
        "(",
        ")",
        GS,
        "]C1",
        "https://",
        "HTTPS://a",
        "/",
        "%3",
        "%35",
        "gsrn",
        "?",
        "#",
        GSRN,
    ]
)


@pytest.mark.fuzz
@settings(deadline=None)
@given(st.lists(PIECES | st.text(max_size=8), max_size=14).map("".join), st.sampled_from([None, "]C1", "]Q1", "]d2"]))
def test_any_text_has_a_member_number_or_none(text: str, symbology: str | None) -> None:
    number = member_number(text, symbology)
    assert number is None or isinstance(number, Refusal) or (len(number) == 18 and gs1_ok(number))
    assert member_numbers(text) <= {None, *re.findall("(?=([0-9]{18}))", text)}
