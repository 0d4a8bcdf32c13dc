"""Entries: one serialisation, read back exactly, hashed in their place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.clock import Instant
from posd.ledger.chain import Broken, follow
from posd.ledger.entries import GENESIS, Draft, Entry, Head, Kind, Leg, chained, encode_payload, parse_payload
from tests.fakes.sales import new_id, sale

amounts = st.integers(-(2**62), 2**62).filter(bool)
texts = st.text(st.characters(codec="utf-8"), max_size=12)
bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    pairs = draw(st.lists(st.tuples(st.sampled_from(["PTS", "IRR"]), amounts), max_size=3))
    legs = [leg for unit, n in pairs for leg in (Leg("member:x", unit, n), Leg("club:issued", unit, -n))]
    at = Instant(draw(st.integers(0, 2**45)), "b0" * 16, draw(st.integers(0, 2**60)))
    body = draw(st.dictionaries(texts, bodies, max_size=4))
    ref = draw(st.none() | st.binary(min_size=16, max_size=16))
    return Draft(
        draw(st.binary(min_size=16, max_size=16)), Kind.SALE, at, draw(st.none() | texts), tuple(legs), body, ref
    )


@given(drafts())
def test_a_payload_reads_back_as_the_draft(draft: Draft) -> None:
    payload = encode_payload(draft)
    assert parse_payload(payload) == draft
    assert encode_payload(parse_payload(payload)) == payload


@pytest.mark.parametrize("value", [1.5, float("nan"), [2.0], {"deep": [{"er": 0.1}]}, b"bytes", {1, 2}])
def test_a_body_holds_integers_and_text_only(value: Any) -> None:
    with pytest.raises(TypeError, match="integers and text"):
        encode_payload(replace(sale(), body={"value": value}))


def test_a_foreign_payload_with_a_float_is_not_read() -> None:
    payload = encode_payload(sale()).replace(b'"amount_minor":100000', b'"amount_minor":1e5')
    with pytest.raises(ValueError, match="floats"):
        parse_payload(payload)


@pytest.mark.parametrize(
    "legs",
    [
        (Leg("a", "PTS", 1), Leg("b", "PTS", -2)),
        (Leg("a", "PTS", 1), Leg("b", "IRR", -1)),
        (Leg("a", "PTS", 0),),
        (Leg("a\0b", "PTS", 1), Leg("b", "PTS", -1)),
        (Leg("a", "PTS", True), Leg("b", "PTS", -1)),
    ],
)
def test_legs_that_do_not_balance_cannot_be_built(legs: tuple[Leg, ...]) -> None:
    with pytest.raises(ValueError, match=r"leg|names"):
        replace(sale(), legs=legs)


def chain_of(count: int, till: str = "t") -> list[Entry]:
    head, entries = Head(0, 0, GENESIS), []
    for _ in range(count):
        entries.append(chained(sale(), head, till))
        head = Head(0, entries[-1].seq, entries[-1].hash)
    return entries


def test_a_chain_is_followed_to_its_head() -> None:
    head = Head(0, 0, GENESIS)
    entries = chain_of(3)
    for entry in entries:
        head, draft = follow(head, entry, "t")
        assert draft == entry.draft
    assert head == Head(0, 3, entries[-1].hash)


def test_a_new_epoch_begins_a_new_chain_with_the_next_seq() -> None:
    last = chain_of(2)[-1]
    first = chained(sale(), Head(1, 2, GENESIS), "t")
    head, _ = follow(Head(0, 2, last.hash), first, "t")
    assert head == Head(1, 3, first.hash)


@pytest.mark.parametrize(
    ("change", "promise"),
    [
        ({"seq": 3}, "I2"),
        ({"prev": bytes(32)}, "I2"),
        ({"hash": bytes(32)}, "I2"),
        ({"entry_id": new_id()}, "I2"),
        ({"payload": b"{}"}, "I2"),
        ({"epoch": 1}, "I2"),
    ],
)
def test_any_change_breaks_the_chain(change: dict[str, Any], promise: str) -> None:
    first, second = chain_of(2)
    with pytest.raises(Broken) as caught:
        follow(Head(0, 1, first.hash), replace(second, **change), "t")
    assert (caught.value.seq, caught.value.promise) == (2, promise)


def test_a_chain_belongs_to_its_till() -> None:
    with pytest.raises(Broken):
        follow(Head(0, 0, GENESIS), chain_of(1, till="t")[0], "another")
