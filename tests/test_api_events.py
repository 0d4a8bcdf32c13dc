"""Events: resume, reset, long poll, who may see what, and clients that are slow or gone."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from posd.api.event_stream import EventHub, may_see
from posd.api.scopes import CASHIER_PAGE, EVERYTHING, REGISTER, Scope
from posd.api.settings import ApiSettings, Limits
from tests.fakes.local_api import LocalApi, local_api

SCANS = frozenset({Scope.READ_SCANS})


@pytest.fixture
def api(tmp_path: Path) -> Iterator[LocalApi]:
    limits = Limits(burst=10_000, write_timeout_s=0.3)
    with local_api(tmp_path, settings=ApiSettings(tmp_path, port=0, limits=limits)) as running:
        yield running


def _scan(api: LocalApi, n: int) -> str:
    return api.hub.publish("card.read", {"n": n})


@pytest.mark.complaint(8)
def test_a_stream_gets_what_happens_in_order_and_once(api: LocalApi) -> None:
    with api.stream() as first, api.stream() as second:
        for n in range(1000):
            _scan(api, n)
        for stream in (first, second):
            assert [stream.event()[1]["n"] for _ in range(1000)] == list(range(1000))
            assert stream.last_id == f"{api.hub.boot}-1000"
        assert first.reply.getheader("content-type") == "text/event-stream; charset=utf-8"


@pytest.mark.complaint(7)
def test_a_stream_resumes_after_the_last_event_it_saw(api: LocalApi) -> None:
    _scan(api, 0)
    with api.stream() as stream:
        _scan(api, 1)
        assert stream.event() == ("card.read", {"n": 1})
        seen = stream.last_id
    _scan(api, 2)
    with api.stream({"Last-Event-ID": seen}) as stream:
        assert stream.event() == ("card.read", {"n": 2})
        _scan(api, 3)
        assert stream.event() == ("card.read", {"n": 3})


def test_a_stream_that_saw_nothing_resumes_from_where_it_came_in(api: LocalApi) -> None:
    _scan(api, 0)
    with api.stream() as stream:
        assert stream.last_id == f"{api.hub.boot}-1"
    _scan(api, 1)
    with api.stream({"Last-Event-ID": stream.last_id}) as stream:
        assert stream.event() == ("card.read", {"n": 1})


STRANGERS = ["00000000-1", "{boot}-2", "{boot}-", "{boot}-x", "{boot}--1", "{boot}-\u00b2", "1", ""]


@pytest.mark.parametrize("stranger", STRANGERS)
def test_an_id_that_is_not_of_this_run_is_none(stranger: str) -> None:
    hub = EventHub()
    hub.publish("card.read", {})
    assert hub.position_of(f"{hub.boot}-1") == 1
    assert hub.position_of(stranger.format(boot=hub.boot)) is None
    assert hub.position_of(f"{hub.boot}-{'1' * 4000}") is None


@pytest.mark.parametrize("stranger", ["00000000-1", "{boot}-2", "1"])
def test_a_stranger_is_told_to_ask_anew(api: LocalApi, stranger: str) -> None:
    _scan(api, 0)
    poll = api.ask("GET", f"/v1/events?since={stranger.format(boot=api.hub.boot)}&wait=30").json
    assert [event["type"] for event in poll["events"]] == ["reset"]
    assert api.ask("GET", f"/v1/events?since={poll['next']}").json == {"events": [], "next": f"{api.hub.boot}-1"}


def test_a_reset_stands_in_the_first_block(api: LocalApi) -> None:
    connection = api.connect()
    connection.request("GET", "/v1/events", headers={**api.bearer, "Last-Event-ID": "00000000-7"})
    reply = connection.getresponse()
    block = [reply.readline().decode().rstrip("\n") for _ in range(5)]
    assert block == [": open", f"id: {api.hub.boot}-0", "event: reset", "data: {}", ""]
    connection.close()


def test_an_id_that_fell_out_of_the_ring_is_a_reset() -> None:
    hub = EventHub(ring=10)
    ids = [hub.publish("card.read", {"n": n}) for n in range(25)]
    kept = hub.after(15, SCANS)
    assert (kept.lost, [json.loads(event.data)["n"] for event in kept.events]) == (False, list(range(15, 25)))
    assert hub.after(14, SCANS).lost
    assert hub.position_of(ids[0]) == 1


def test_only_the_newest_view_is_kept_and_it_pushes_no_card_out() -> None:
    hub = EventHub(ring=10)
    for n in range(9):
        hub.publish("card.read", {"n": n})
    for version in range(1000):
        hub.publish("view", {"version": version})
    assert not hub.after(0, EVERYTHING).lost
    assert [event.type for event in hub.after(0, EVERYTHING).events] == ["card.read"] * 9 + ["view"]
    assert [json.loads(event.data) for event in hub.current(CASHIER_PAGE)] == [{"version": 999}]
    assert hub.current(REGISTER) == ()


def test_a_page_gets_the_view_when_it_comes_and_no_cards(api: LocalApi) -> None:
    api.hub.publish("view", {"version": 7})
    cookie = api.page.new_session(f"127.0.0.1:{api.port}").partition(";")[0]
    with api.stream({"Authorization": "", "Cookie": cookie}) as page:
        assert page.event() == ("view", {"version": 7})
        _scan(api, 1)
        api.hub.publish("view", {"version": 8})
        assert page.event() == ("view", {"version": 8})


@pytest.mark.parametrize(
    ("event_type", "scopes", "seen"),
    [
        ("card.read", SCANS, True),
        ("card.refused", REGISTER, True),
        ("card.read", CASHIER_PAGE, False),
        ("view", CASHIER_PAGE, True),
        ("view", REGISTER, False),
        ("entry.booked", frozenset({Scope.ACCRUE}), True),
        ("entry.booked", SCANS, False),
        ("reader.status", frozenset(), True),
        ("something.new", REGISTER, False),
        ("something.new", frozenset({Scope.ADMIN}), True),
    ],
)
def test_scopes_say_who_sees_an_event(event_type: str, scopes: frozenset[str], seen: bool) -> None:
    assert may_see(event_type, scopes) is seen


@pytest.mark.complaint(7)
def test_a_long_poll_answers_at_once_when_there_is_something(api: LocalApi) -> None:
    start = api.ask("GET", "/v1/events?wait=0").json
    assert start == {"events": [], "next": f"{api.hub.boot}-0"}
    for n in range(3):
        _scan(api, n)
    got = api.ask("GET", f"/v1/events?since={start['next']}&wait=30").json
    assert [(event["type"], event["data"]) for event in got["events"]] == [("card.read", {"n": n}) for n in range(3)]
    assert got["next"] == got["events"][-1]["id"] == f"{api.hub.boot}-3"
    assert api.ask("GET", f"/v1/events?since={got['next']}").json == {"events": [], "next": got["next"]}


def test_a_long_poll_waits_for_what_comes(api: LocalApi) -> None:
    start = api.ask("GET", "/v1/events?wait=0").json["next"]
    with ThreadPoolExecutor(1) as client:
        waiting = client.submit(api.ask, "GET", f"/v1/events?since={start}&wait=30")
        _until(lambda: api.hub.listeners == 1)
        api.hub.publish("view", {"version": 1})  # not for registers: the wait goes on
        _scan(api, 1)
        assert [event["data"] for event in waiting.result(20).json["events"]] == [{"n": 1}]
    assert api.hub.listeners == 0


def test_a_long_poll_ends_when_its_time_is_over(api: LocalApi) -> None:
    begun = time.monotonic()
    assert api.ask("GET", "/v1/events?wait=1").json["events"] == []
    assert 0.9 < time.monotonic() - begun < 20


def test_a_client_that_leaves_is_forgotten(api: LocalApi) -> None:
    with api.stream():
        _until(lambda: api.hub.listeners == 1)
    _until(lambda: api.hub.listeners == 0)


def test_a_client_that_takes_nothing_is_cut_off_and_others_are_not(api: LocalApi) -> None:
    with socket.socket() as stuck, api.stream() as good:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", api.port))
        head = f"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1:{api.port}\r\nAuthorization: Bearer {api.token}\r\n\r\n"
        stuck.sendall(head.encode())
        _until(lambda: api.hub.listeners == 2)
        wide = "x" * 100_000
        for n in range(100):
            api.hub.publish("card.read", {"n": n, "wide": wide})
            assert good.event()[1]["n"] == n
        _until(lambda: api.hub.listeners == 1)
        _scan(api, 100)
        assert good.event()[1]["n"] == 100


def test_stopping_ends_streams_and_waits_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as client:
        with local_api(tmp_path) as api:
            stream = api.stream()
            waiting = client.submit(api.ask, "GET", "/v1/events?wait=30")
            _until(lambda: api.hub.listeners == 2)
            begun = time.monotonic()
        assert time.monotonic() - begun < 10  # and not the 30 seconds of the poll
        assert waiting.result(5).json["events"] == []
        assert stream.reply.read() == b""
        stream.close()


@pytest.mark.complaint(8)
def test_publishing_from_many_threads_loses_nothing(api: LocalApi) -> None:
    with api.stream() as stream:
        threads = [threading.Thread(target=lambda: [_scan(api, n) for n in range(100)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        numbers = []
        for _ in range(800):
            stream.event()
            numbers.append(int(stream.last_id.partition("-")[2]))
        for thread in threads:
            thread.join()
        assert numbers == list(range(1, 801))


def test_a_hub_whose_server_has_ended_still_takes_events(tmp_path: Path) -> None:
    with local_api(tmp_path) as api, api.stream():
        hub = api.hub
    assert hub.publish("card.read", {"n": 1}).endswith("-1")


def test_data_that_is_no_json_is_refused_where_it_is_published() -> None:
    hub = EventHub()
    with pytest.raises(ValueError, match="Out of range float"):
        hub.publish("view", {"amount": float("nan")})
    assert hub.head == 0


def _until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    give_up = time.monotonic() + timeout_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < give_up, "did not happen"
        pause.wait(0.005)
