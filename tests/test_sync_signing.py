"""Signatures between till and club: an independent library reads ours, and one flipped bit anywhere is one too many."""

from __future__ import annotations

import base64
import json
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from http_message_signatures import HTTPMessageVerifier, InvalidSignature, MappingKeyResolver
from http_message_signatures.algorithms import ED25519
from hypothesis import given
from hypothesis import strategies as st

from posd.cli.main import main
from posd.errors import LedgerBroken
from posd.ledger.entries import Draft, Head, Kind
from posd.ledger.store import Store
from posd.machine import SystemClock, Uuid7Source
from posd.sync.identity import SigningKey, code_letters, four_words, is_signed_by, journal_head, key_change
from posd.sync.key_file import store_seed
from posd.sync.signing import DIGEST, INPUT, SIGNATURE, Answer, Request, Stamp, claimed, signed, signer
from posd.sync.words import WORDS

KEY, OTHER = SigningKey.of(bytes(range(32))), SigningKey.of(bytes(32))
NONCE, CREATED = "0123456789abcdef" * 2, 1_763_000_000
PUSH = Request("POST", "/v1/tills/01ab/entries", b'{"v":1}')
POLL = Request("GET", "/v1/tills/01ab/deltas?cursor=a%2Fb&wait=25", b"")
REPLY = Answer(200, b'{"v":1,"acked_seq":7}')
MESSAGES = [PUSH, POLL, REPLY, Answer(204, b""), Answer(401, b'{"code":"till_revoked"}')]

# ---- an independent library ----


@dataclass
class RequestElsewhere:
    """A request as http-message-signatures takes it."""

    method: str
    url: str
    headers: dict[str, str]


@dataclass
class AnswerElsewhere:
    status_code: int
    headers: dict[str, str]
    request: None = None


def verified_elsewhere(message: Request | Answer, headers: dict[str, str]) -> Any:
    """The library's result; raises InvalidSignature."""
    keys = {KEY.public: Ed25519PublicKey.from_public_bytes(bytes.fromhex(KEY.public))}
    resolver = MappingKeyResolver(public_keys=keys, private_keys={})
    verifier = HTTPMessageVerifier(signature_algorithm=ED25519, key_resolver=resolver)
    if isinstance(message, Request):
        theirs: object = RequestElsewhere(message.method, f"https://club.example{message.target}", headers)
    else:
        theirs = AnswerElsewhere(message.status, headers)
    (result,) = verifier.verify(theirs, max_age=None, expect_tag=message.tag, body=message.content)
    return result


@pytest.mark.parametrize("message", MESSAGES)
def test_an_independent_library_verifies_ours(message: Request | Answer) -> None:
    headers = signed(message, KEY, CREATED, NONCE)
    result = verified_elsewhere(message, headers)
    assert set(result.covered_components) == {f'"{name}"' for name, _ in message.components()} | {'"@signature-params"'}
    assert dict(result.parameters)["nonce"] == NONCE
    with pytest.raises(InvalidSignature):
        verified_elsewhere(replace(message, content=message.content + b" "), headers)


# ---- one bit ----


@pytest.mark.parametrize("message", MESSAGES)
def test_who_signed_is_read_back(message: Request | Answer) -> None:
    headers = signed(message, KEY, CREATED, NONCE)
    assert signer(message, headers) == claimed(headers) == Stamp(CREATED, NONCE, KEY.public)


def flipped(text: str, bit: int) -> str:
    raw = bytearray(text.encode("latin-1"))
    raw[bit // 8 % len(raw)] ^= 1 << bit % 8
    return raw.decode("latin-1")


@given(st.sampled_from([PUSH, POLL]), st.integers(0, 4000))
def test_a_bit_of_the_request_is_too_many(message: Request, bit: int) -> None:
    headers = signed(message, KEY, CREATED, NONCE)
    assert signer(message, headers), "positive control"
    body = flipped(message.content.decode() or "\0", bit).encode("latin-1")
    assert signer(replace(message, method=flipped(message.method, bit)), headers) is None
    assert signer(replace(message, target=flipped(message.target, bit)), headers) is None
    assert signer(replace(message, content=body), headers) is None


@given(st.sampled_from(MESSAGES), st.sampled_from([DIGEST, INPUT, SIGNATURE]), st.integers(0, 4000))
def test_a_bit_of_what_is_proved_is_too_many(message: Request | Answer, name: str, bit: int) -> None:
    headers = signed(message, KEY, CREATED, NONCE)
    assert signer(message, headers), "positive control"
    assert signer(message, {**headers, name: flipped(headers[name], bit)}) is None


@given(st.integers(100, 599), st.binary(max_size=40))
def test_another_answer_does_not_pass(status: int, content: bytes) -> None:
    headers = signed(REPLY, KEY, CREATED, NONCE)
    assert (signer(Answer(status, content), headers) is not None) is (Answer(status, content) == REPLY)


@pytest.mark.parametrize("name", [DIGEST, INPUT, SIGNATURE])
def test_nothing_may_be_left_out(name: str) -> None:
    headers = signed(PUSH, KEY, CREATED, NONCE)
    del headers[name]
    assert signer(PUSH, headers) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"@method" ', ""),
        (' "content-digest"', ""),
        ('"@method" "@path"', '"@path" "@method"'),
        (';alg="ed25519"', ""),
        ('alg="ed25519"', 'alg="hmac-sha256"'),
        ("posd-sync-1", "posd-club-1"),
        ("posd=", "posd=(),posd="),
        (f';nonce="{NONCE}"', ""),
        (";created=", ";created=0"),
        (";created=", ";created=-"),
        (";created=", ";created=1;created="),
    ],
)
def test_no_other_profile_is_taken(old: str, new: str) -> None:
    """Even when the key's holder signed it: what is covered is not up to the sender."""
    headers = signed(PUSH, KEY, CREATED, NONCE)
    assert old in headers[INPUT]
    headers[INPUT] = headers[INPUT].replace(old, new)
    parameters = headers[INPUT].removeprefix("posd=")
    lines = [*(f'"{name}": {value}' for name, value in PUSH.components()), f'"@signature-params": {parameters}']
    signature = KEY.sign("\n".join(lines).encode())
    headers[SIGNATURE] = f"posd=:{base64.b64encode(signature).decode()}:"
    assert signer(PUSH, headers) is None


def test_a_request_is_no_answer_and_a_stranger_is_himself() -> None:
    assert signer(Answer(200, PUSH.content), signed(PUSH, KEY, CREATED, NONCE)) is None
    stamp = signer(PUSH, signed(PUSH, OTHER, CREATED, NONCE))
    assert stamp is not None and stamp.keyid == OTHER.public != KEY.public


@pytest.mark.fuzz
@given(st.dictionaries(st.sampled_from([DIGEST, INPUT, SIGNATURE]), st.text(max_size=200)))
def test_no_header_stops_the_reader(headers: dict[str, str]) -> None:
    assert signer(PUSH, headers) is None


@pytest.mark.fuzz
@given(st.text(max_size=70), st.binary(max_size=70), st.binary(max_size=9))
def test_no_key_or_signature_stops_the_reader(public: str, signature: bytes, message: bytes) -> None:
    assert not is_signed_by(public, signature, message)


# ---- keys, and what else they sign ----


def test_a_key_shows_its_public_half_only() -> None:
    assert KEY.public in repr(KEY)
    assert bytes(range(32)).hex() not in repr(KEY)
    assert "rivate" not in repr(KEY)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_is_32_bytes(length: int) -> None:
    with pytest.raises(ValueError):
        SigningKey.of(bytes(length))


def test_a_signature_of_one_kind_is_none_of_another() -> None:
    head = Head(1, 7, b"\x07" * 32)
    messages = [journal_head("till-1", head), key_change("till-1", KEY.public, OTHER.public)]
    assert journal_head("till-2", head) != messages[0] != journal_head("till-1", replace(head, seq=8))
    for signed_one in messages:
        for other in messages:
            assert is_signed_by(KEY.public, KEY.sign(signed_one), other) is (signed_one == other)
        assert not signed_one.startswith(b'"'), "as every base of an HTTP signature does"


# ---- four words ----


def test_words_are_told_apart_by_their_beginnings() -> None:
    assert len(WORDS) == 256
    assert len({word[:3] for word in WORDS}) == 256
    assert all(word.isascii() and word.islower() and 4 <= len(word) <= 8 for word in WORDS)


def test_both_sides_say_the_same_words_and_somebody_in_between_others() -> None:
    """Each of the four things changes the words; how the code was typed does not."""
    same = four_words(OTHER.public, KEY.public, "till-1", "BCDF-GHJK")
    assert same == four_words(OTHER.public, KEY.public, "till-1", " bcdf ghjk\n")
    between = SigningKey.of(b"between".ljust(32))
    assert same != four_words(between.public, KEY.public, "till-1", "BCDF-GHJK"), "what the till would show"
    assert same != four_words(OTHER.public, between.public, "till-1", "BCDF-GHJK"), "what the club would show"
    assert same != four_words(OTHER.public, KEY.public, "till-2", "BCDF-GHJK")
    assert same != four_words(OTHER.public, KEY.public, "till-1", "BCDF-GHJL")
    assert code_letters("bcdf-ghjk\n") == "BCDFGHJK"


# ---- a journal that its till vouches for ----


@pytest.mark.slow
def test_an_export_is_verified_with_nothing_but_itself_and_the_public_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    till, file = ["--state-dir", str(tmp_path)], tmp_path / "journal"
    with closing(Store.open(tmp_path / "ledger.db", till_id="till-1", clock=SystemClock(), ballast_bytes=0)) as store:
        for _ in range(2):
            store.append(Draft(Uuid7Source()(), Kind.SALE, SystemClock().now(), None, (), {})).result(10)
    assert main([*till, "ledger", "export"]) == 0
    unsigned = capsys.readouterr().out
    store_seed(tmp_path, bytes(range(32)).hex())
    assert main([*till, "ledger", "export"]) == 0
    signed_one = capsys.readouterr().out
    assert signed_one.startswith(unsigned) and bytes(range(32)).hex() not in signed_one

    def verify(text: str, *key: str) -> int:
        file.write_text(text)
        return int(main(["--state-dir", str(tmp_path / "elsewhere"), "ledger", "verify", "--journal", str(file), *key]))

    assert verify(signed_one, "--key", KEY.public) == verify(signed_one) == verify(unsigned) == 0
    lines = signed_one.splitlines(keepends=True)
    shorter = [*lines[:2], '{"head":' + json.dumps(head_of(lines[1]), separators=(",", ":")) + "}\n"]
    assert verify("".join(shorter)) == 0, "positive control: a journal that ends earlier is one"
    forged = lines[-1].replace(KEY.public, OTHER.public)
    for text, key in (
        (unsigned, KEY.public),
        (signed_one, OTHER.public),
        ("".join([*shorter, lines[-1]]), KEY.public),
        (signed_one.replace("till-1", "till-2"), KEY.public),
        ("".join([*lines[:-1], forged]), OTHER.public),
        (signed_one + lines[-1], KEY.public),
        (signed_one[:-20] + '"]}\n', KEY.public),
    ):
        assert verify(text, "--key", key) == LedgerBroken.exit_code
    assert verify("".join([*lines[:-1], forged])) == LedgerBroken.exit_code, "a wrong signature is worse than none"
    assert main([*till, "ledger", "verify", "--key", KEY.public]) == 64


def head_of(line: str) -> dict[str, object]:
    entry = json.loads(line)["entry"]
    return {name: entry[name] for name in ("epoch", "seq", "hash")}
