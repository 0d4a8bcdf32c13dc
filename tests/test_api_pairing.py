"""Pairing, tokens and the key of the page: who gets in, for how long, and what is left on disk."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from posd.api.page_key import PageKey
from posd.api.pairing import ALPHABET, ATTEMPTS, VALID_S, Pairing
from posd.api.port import Refused
from posd.api.scopes import REGISTER, Scope
from posd.api.tokens import TokenStore
from posd.errors import ConfigError
from posd.machine import write_private
from tests.fakes.clock import FakeClock
from tests.fakes.local_api import JSON, LocalApi, Reply, local_api

SHOP = "https://register.example"
SCOPES = ["read:scans", "tx:accrue"]


def _redeem(pairing: Pairing, code: str, tokens: TokenStore, name: str = "till 2") -> str:
    return pairing.redeem(code, name, None, [Scope.ACCRUE], tokens)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def tokens(tmp_path: Path, clock: FakeClock) -> TokenStore:
    return TokenStore(tmp_path, clock)


@pytest.fixture
def pairing(tmp_path: Path, clock: FakeClock) -> Pairing:
    return Pairing(tmp_path, clock)


def test_a_code_can_be_read_aloud(pairing: Pairing) -> None:
    assert re.fullmatch(rf"[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}", pairing.show())
    assert len({pairing.show() for _ in range(50)}) == 50


@pytest.mark.parametrize("typed", [str, str.lower, lambda code: code.replace("-", ""), lambda code: f" {code} "])
def test_a_code_works_as_people_type_it_and_once(
    pairing: Pairing, tokens: TokenStore, typed: Callable[[str], str]
) -> None:
    code = typed(pairing.show())
    assert tokens.find(_redeem(pairing, code, tokens)) is not None
    with pytest.raises(Refused) as refused:
        _redeem(pairing, code, tokens, "again")
    assert refused.value.code == "no_code_open"


def test_five_wrong_codes_close_it(pairing: Pairing, tokens: TokenStore) -> None:
    code = pairing.show()
    for n in range(ATTEMPTS - 1):
        with pytest.raises(Refused, match=f"{ATTEMPTS - 1 - n} attempts"):
            _redeem(pairing, "BBBB-BBBB", tokens)
    with pytest.raises(Refused, match="last attempt"):
        _redeem(pairing, "BBBB-BBBB", tokens)
    with pytest.raises(Refused) as refused:
        _redeem(pairing, code, tokens)
    assert refused.value.code == "no_code_open"


def test_four_wrong_codes_do_not(pairing: Pairing, tokens: TokenStore) -> None:
    code = pairing.show()
    for _ in range(ATTEMPTS - 1):
        with pytest.raises(Refused):
            _redeem(pairing, "BBBB-BBBB", tokens)
    assert _redeem(pairing, code, tokens)


def test_five_minutes_by_the_machine_and_not_by_the_wall(
    pairing: Pairing, tokens: TokenStore, clock: FakeClock
) -> None:
    code = pairing.show()
    clock.step_wall_ms(10 * VALID_S * 1000)
    clock.advance_ms(VALID_S * 1000 - 1)
    assert _redeem(pairing, code, tokens)
    code = pairing.show()
    clock.step_wall_ms(-20 * VALID_S * 1000)
    clock.advance_ms(VALID_S * 1000)
    with pytest.raises(Refused):
        _redeem(pairing, code, tokens, "late")


def test_a_code_does_not_outlive_a_reboot(tmp_path: Path, pairing: Pairing, tokens: TokenStore) -> None:
    code = pairing.show()
    with pytest.raises(Refused):
        _redeem(Pairing(tmp_path, FakeClock(boot="ff" * 16)), code, tokens)
    assert _redeem(pairing, code, tokens)


def test_a_code_shown_by_another_process_works(tmp_path: Path, clock: FakeClock, tokens: TokenStore) -> None:
    assert _redeem(Pairing(tmp_path, clock), Pairing(tmp_path, clock).show(), tokens)


def test_a_code_grants_no_more_than_the_owner_offered(pairing: Pairing, tokens: TokenStore) -> None:
    code = pairing.show([Scope.ACCRUE])
    with pytest.raises(Refused) as refused:
        pairing.redeem(code, "greedy", None, [Scope.ACCRUE, Scope.REDEEM], tokens)
    assert refused.value.code == "scope_not_offered"
    assert _redeem(pairing, code, tokens)


def test_page_and_sync_are_never_granted(pairing: Pairing, tokens: TokenStore) -> None:
    for scope in (Scope.PAGE, Scope.SYNC):
        with pytest.raises(ValueError, match="no scopes of a token"):
            pairing.show([scope])
        with pytest.raises(ValueError, match="no scopes of a token"):
            tokens.create("x", None, [scope])


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"sha256": 1}'])
def test_a_damaged_code_file_is_no_open_code(
    tmp_path: Path, pairing: Pairing, tokens: TokenStore, damage: bytes
) -> None:
    code = pairing.show()
    (tmp_path / "pairing.json").write_bytes(damage)
    with pytest.raises(Refused, match="no code is open"):
        _redeem(pairing, code, tokens)


def test_secrets_on_disk_are_hashed_and_private(tmp_path: Path, pairing: Pairing, tokens: TokenStore) -> None:
    code = pairing.show()
    token = tokens.create("register", SHOP, REGISTER)
    PageKey.of(tmp_path)
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        for secret in (code, code.replace("-", ""), token, token.removeprefix("posd_")):
            assert secret not in file.read_text("utf-8"), file
    assert sorted(file.name for file in tmp_path.iterdir()) == ["page.key", "pairing.json", "tokens.json"]


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_tokens_outlive_the_process(tmp_path: Path, clock: FakeClock, tokens: TokenStore) -> None:
    text = tokens.create("Front register", SHOP, REGISTER)
    found = TokenStore(tmp_path, clock).find(text)
    assert found is not None
    assert (found.name, found.origin, found.scopes) == ("Front register", SHOP, tuple(sorted(REGISTER)))
    assert tokens.find(text + "x") is None
    assert tokens.origins() == {SHOP}


def test_a_token_revoked_elsewhere_is_dead_at_once(tmp_path: Path, clock: FakeClock, tokens: TokenStore) -> None:
    text = tokens.create("register", None, REGISTER)
    assert tokens.find(text)
    assert TokenStore(tmp_path, clock).revoke("register")
    assert tokens.find(text) is None
    assert not tokens.revoke("register")


def test_a_name_is_taken_once(tokens: TokenStore) -> None:
    tokens.create("register", None, REGISTER)
    with pytest.raises(Refused) as refused:
        tokens.create("register", SHOP, REGISTER)
    assert (refused.value.status, refused.value.code) == (409, "name_taken")


@pytest.mark.parametrize("damage", ["{", "[]", '{"tokens": [{"name": "x"}]}', '{"tokens": 1}', "\x00"])
def test_a_damaged_token_file_says_what_to_do(tmp_path: Path, tokens: TokenStore, damage: str) -> None:
    (tmp_path / "tokens.json").write_text(damage)
    with pytest.raises(ConfigError, match="pair the registers again"):
        tokens.find("posd_x")


def test_a_page_key_is_kept_and_a_new_one_ends_sessions(tmp_path: Path) -> None:
    first, again = PageKey.of(tmp_path), PageKey.of(tmp_path)
    cookie = first.new_session("localhost:7673").partition(";")[0]
    assert again.session_valid(cookie, "localhost:7673")
    assert again.cookie_name == first.cookie_name
    (tmp_path / "page.key").unlink()
    renewed = PageKey.of(tmp_path)
    assert not renewed.session_valid(cookie, "localhost:7673")
    assert renewed.cookie_name != first.cookie_name


def test_a_page_key_that_cannot_be_kept_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="state directory"):
        PageKey.of(tmp_path / "missing")
    (tmp_path / "page.key").write_text("short")
    with pytest.raises(ConfigError, match="delete it"):
        PageKey.of(tmp_path)


# --- over HTTP ------------------------------------------------------------------------------------------------------


def _pair(api: LocalApi, code: str, fields: Mapping[str, object] | None = None) -> Reply:
    body = {"code": code, "name": "Front register", "scopes": SCOPES, **(fields or {})}
    return api.request("POST", "/v1/pairing", body, JSON)


def test_a_register_pairs_and_is_revoked_by_the_owner(tmp_path: Path) -> None:
    with local_api(tmp_path) as api:
        granted = _pair(api, api.pairing.show()).json
        assert granted["scopes"] == SCOPES
        bearer = {"Authorization": f"Bearer {granted['token']}"}
        assert api.request("GET", "/v1/status", headers=bearer).status == 200
        listed = api.ask_locally("GET", "/v1/tokens")
        assert [token["name"] for token in listed.json["tokens"]] == ["register", "Front register"]
        assert granted["token"].encode() not in listed.body
        assert b"sha256" not in listed.body
        assert api.ask_locally("DELETE", "/v1/tokens", {"name": "Front register"}).status == 200
        assert api.request("GET", "/v1/status", headers=bearer).code == "token_unknown"
        assert api.ask_locally("DELETE", "/v1/tokens", {"name": "Front register"}).code == "token_not_listed"


def test_a_web_register_pairs_from_the_origin_the_owner_named(tmp_path: Path) -> None:
    with local_api(tmp_path) as api:
        code = api.pairing.show(origin=SHOP)
        body = {"code": code, "name": "Web", "scopes": SCOPES, "origin": SHOP}
        headers = {**JSON, "Origin": SHOP}
        evil = api.request("POST", "/v1/pairing", body, {**headers, "Origin": "https://evil.example"})
        assert evil.code == "origin_not_paired"
        assert api.request("GET", "/v1/status", headers=headers).code == "origin_not_paired"
        unstated = {key: value for key, value in body.items() if key != "origin"}
        assert api.request("POST", "/v1/pairing", unstated, headers).code == "origin_not_offered"
        asked = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
        assert api.request("OPTIONS", "/v1/pairing", headers=asked).status == 204
        granted = api.request("POST", "/v1/pairing", body, headers)
        assert granted.headers["access-control-allow-origin"] == SHOP
        bearer = {"Authorization": f"Bearer {granted.json['token']}", "Origin": SHOP}
        assert api.request("GET", "/v1/status", headers=bearer).status == 200


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"scopes": ["admin"]}, "scope_not_offered"),
        ({"scopes": ["page"]}, "field_invalid"),
        ({"scopes": ["sync"]}, "field_invalid"),
        ({"scopes": []}, "field_invalid"),
        ({"origin": SHOP}, "origin_not_offered"),
        ({"origin": "null"}, "field_invalid"),
        ({"origin": "https://a@b"}, "field_invalid"),
        ({"name": "page:cashier"}, "field_invalid"),
        ({"name": "register"}, "name_taken"),
        ({"code": "BBBBBBBB"}, "code_wrong"),
    ],
)
def test_a_pairing_that_asks_for_too_much_leaves_the_code_open(
    tmp_path: Path, fields: dict[str, object], code: str
) -> None:
    with local_api(tmp_path) as api:
        shown = api.pairing.show()
        assert _pair(api, shown, fields).code == code
        assert _pair(api, shown).status == 201


def test_the_code_is_nowhere_in_the_api(tmp_path: Path) -> None:
    with local_api(tmp_path) as api:
        code = api.pairing.show()
        answers = [
            api.ask_locally("GET", operation.path).body
            for operation in api.app.operations
            if operation.method == "GET" and "{" not in operation.path and operation.path != "/v1/events"
        ]
        everything = b"".join(answers) + json.dumps(api.ask_locally("GET", "/v1/events?wait=0").json).encode()
        assert len(answers) > 7
        assert code.encode() not in everything
        assert code.replace("-", "").encode() not in everything
