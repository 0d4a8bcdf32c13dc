"""The HTTP client against a real club over a faulty network: each fault is an answer, in time, and tells no secret."""

from __future__ import annotations

import datetime
import gc
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from posd.clock import Instant
from posd.ledger.entries import GENESIS, Draft, Head, Kind, chained
from posd.machine import SystemClock
from posd.sync.client import MAX_ANSWER_BYTES, ClubClient, Timeouts
from posd.sync.grant import ClubAddress
from posd.sync.line import Address, Line
from posd.sync.outcomes import Answer, Delivered, Failure
from posd.sync.policy import classify
from posd.sync.wire import PushRequest, TillRequest, TillStatus
from tests.fakes.club_server import GRANT, INVITATION, TOKEN, Bad, ClubServer
from tests.fakes.fault_proxy import Fault, FaultProxy

FAST = Timeouts(connect_s=0.5, read_s=0.4, deadline_s=1.0)
HEAD = Head(1, 0, GENESIS)
ENTRY = chained(Draft(bytes(16), Kind.SALE, Instant(0, "b", 0), None, (), {"note": "x" * 2000}), HEAD, GRANT.till_id)
PUSH = PushRequest.of(HEAD, (ENTRY,))


@pytest.fixture
def club() -> Iterator[ClubServer]:
    with ClubServer() as server:
        yield server


@pytest.fixture
def proxy(club: ClubServer) -> Iterator[FaultProxy]:
    with FaultProxy(club.port) as faulty:
        yield faulty


def client_of(url: str, timeouts: Timeouts = FAST, line: Line | None = None) -> ClubClient:
    return ClubClient(ClubAddress(url, GRANT.till_id, TOKEN), timeouts, line)


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[ClubClient]:
    one = client_of(proxy.url)
    yield one
    one.close()


def test_every_call_works_when_nothing_is_wrong(club: ClubServer, client: ClubClient) -> None:
    """The positive control of all that follows."""
    grant = client.enrol(TillRequest(INVITATION, "Till 1", "1")).value
    pushed, pulled = client.push(PUSH), client.deltas(None, 0)
    told = client.status(TillStatus(queue=3))
    assert grant == GRANT
    assert pushed.value is not None and pushed.value.acked_seq == 1
    assert pulled.value is not None and pulled.value.cursor == "0"
    assert club.statuses == [TillStatus(queue=3)]
    assert all(classify(exchange.answer) == Delivered() for exchange in (pushed, pulled, told))
    assert club.entries == [(1, ENTRY.hash.hex(), ENTRY.payload.decode())], "the exact bytes"


def test_large_bodies_travel_compressed_and_small_ones_do_not(club: ClubServer, client: ClubClient) -> None:
    client.push(PUSH)
    client.status(TillStatus(queue=0))
    assert [encoding for _, _, encoding in club.seen] == ["gzip", ""]


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (Fault.REFUSE, Answer(failure=Failure.UNREACHABLE)),
        (Fault.RESET, Answer(failure=Failure.UNREACHABLE)),
        (Fault.SILENCE, Answer(failure=Failure.TIMEOUT)),
        (Fault.TRUNCATE, Answer(failure=Failure.UNREACHABLE)),
        (Fault.TRICKLE, Answer(failure=Failure.TIMEOUT)),
        (Fault.DROP_ANSWER, Answer(failure=Failure.UNREACHABLE)),
        (Fault.GARBAGE, Answer(failure=Failure.GARBLED)),
        (Fault.PORTAL_PAGE, Answer(200, html=True)),
        (Fault.PORTAL_JSON, Answer(200)),
        (Fault.PORTAL_REDIRECT, Answer(302)),
    ],
)
def test_each_fault_is_an_answer_in_time(proxy: FaultProxy, client: ClubClient, fault: Fault, answer: Answer) -> None:
    proxy.fault = fault
    started = SystemClock().now()
    exchange = client.push(PUSH)
    took_s = (SystemClock().now().mono_ns - started.mono_ns) / 1e9
    assert exchange.answer == answer
    assert exchange.value is None
    assert took_s < 2.0
    proxy.fault = Fault.NONE
    assert classify(client.push(PUSH).answer) == Delivered(), "and the next attempt is well"


def test_nobody_listening_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    lonely = client_of(f"http://127.0.0.1:{port}")
    assert lonely.push(PUSH).answer.failure is Failure.UNREACHABLE
    lonely.close()


def test_a_redirect_is_not_followed(club: ClubServer, client: ClubClient) -> None:
    club.bad.append(Bad(307, headers={"Location": club.url + "/v1/tills/till-1/entries"}))
    assert client.push(PUSH).answer.status == 307
    assert club.entries == []


def test_an_endless_answer_is_cut_off(club: ClubServer, client: ClubClient) -> None:
    club.bad.append(Bad(200, b" " * (MAX_ANSWER_BYTES + 1)))
    assert client.deltas(None, 0).answer.failure is Failure.GARBLED


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{", b'{"v":2}', b"[" * 100_000, b'{"v":1,"acked_seq":1e400}', b"\xff", b'{"v":1}'],
    ids=range(9),
)
def test_an_answer_of_another_form_is_no_echo(club: ClubServer, client: ClubClient, body: bytes) -> None:
    club.always = Bad(200, body)
    for exchange in (client.push(PUSH), client.deltas(None, 0)):
        assert exchange.value is None
        assert not exchange.answer.echoed


def test_a_conflict_carries_the_head_of_the_club(club: ClubServer, client: ClubClient) -> None:
    club.entries.append((1, "ff" * 32, "{}"))
    exchange = client.push(PUSH)
    assert exchange.answer.status == 409
    assert exchange.value is not None and exchange.value.acked_hash == "ff" * 32


def test_neither_proxies_nor_passwords_come_from_the_environment(
    club: ClubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.delenv("no_proxy", raising=False)
    free = client_of(club.url)
    assert classify(free.push(PUSH).answer) == Delivered()
    free.close()


def test_a_configured_proxy_is_used(club: ClubServer) -> None:
    """Our fault proxy takes absolute addresses as they come; the little club answers them by their path's end."""
    with FaultProxy(club.port) as between:
        through = ClubClient(ClubAddress("http://club.invalid", GRANT.till_id, TOKEN, proxy=between.url), FAST)
        assert classify(through.push(PUSH).answer) == Delivered()
        assert between.connections == 1
        through.close()


def test_no_secret_in_any_log_record_or_repr(
    club: ClubServer, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for fault in Fault:
            if fault not in {Fault.SILENCE, Fault.TRICKLE}:
                proxy.fault = fault
                one = client_of(proxy.url)
                shown = [repr(one.push(PUSH)), repr(one.enrol(TillRequest(INVITATION, "Till 1", "1")))]
                shown += [repr(ClubAddress(proxy.url, GRANT.till_id, TOKEN)), repr(TillRequest(INVITATION, "1", "1"))]
                one.close()
                assert not any(secret in "".join(shown) for secret in (TOKEN, INVITATION, GRANT.card_key))
    text = "".join(f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records)
    assert "urllib3" in {record.name.split(".")[0] for record in caplog.records}, "positive control: it was listening"
    assert TOKEN not in text and INVITATION not in text


# ---- ending what blocks ----


def in_thread(client: ClubClient) -> tuple[threading.Thread, list[Answer]]:
    found: list[Answer] = []
    thread = threading.Thread(target=lambda: found.append(client.deltas("0", 25).answer))
    thread.start()
    return thread, found


def test_close_ends_a_long_poll_at_once(club: ClubServer) -> None:
    client = client_of(club.url, Timeouts())
    thread, found = in_thread(client)
    with club.lock:
        assert club.lock.wait_for(lambda: bool(club.seen), 5), "positive control: the club holds its answer"
    client.close()
    thread.join(2)
    assert not thread.is_alive()
    assert found == [Answer(failure=Failure.TIMEOUT)]
    assert client.push(PUSH).answer.failure is Failure.TIMEOUT, "closed for good"
    assert club.pushes == []


def test_close_ends_a_name_lookup_that_hangs() -> None:
    asked, let_go = threading.Event(), threading.Event()

    def hanging(host: str, port: int) -> list[Address]:
        asked.set()
        let_go.wait(30)
        return []

    client = client_of("http://club.example", Timeouts(), Line(hanging))
    thread, found = in_thread(client)
    assert asked.wait(5)
    client.close()
    thread.join(2)
    let_go.set()
    assert not thread.is_alive()
    assert found == [Answer(failure=Failure.TIMEOUT)]


def test_the_deadline_ends_a_name_lookup_that_hangs() -> None:
    let_go = threading.Event()

    def hanging(host: str, port: int) -> list[Address]:
        let_go.wait(30)
        return []

    client = client_of("http://club.example", FAST, Line(hanging))
    assert client.push(PUSH).answer.failure is Failure.TIMEOUT
    let_go.set()
    client.close()


def test_close_ends_a_connect_that_nobody_answers() -> None:
    """A listener whose queue is full swallows the SYN, as a dead route does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        client = client_of(f"http://127.0.0.1:{full.getsockname()[1]}", Timeouts(connect_s=20))
        thread, found = in_thread(client)
        thread.join(0.3)
        assert thread.is_alive(), "positive control: connecting blocks"
        client.close()
        thread.join(2)
        assert not thread.is_alive()
        assert found == [Answer(failure=Failure.TIMEOUT)]
        for filler in fillers:
            filler.close()


def test_an_unknown_name_is_unreachable() -> None:
    def unknown(host: str, port: int) -> list[Address]:
        raise socket.gaierror(-2, "Name or service not known")

    client = client_of("http://club.example", FAST, Line(unknown))
    assert client.push(PUSH).answer.failure is Failure.UNREACHABLE
    client.close()


# ---- TLS ----


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and self-signed certificate of a club in the back room, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "club")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "club.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def secure_club(certificate: Path) -> Iterator[ClubServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ClubServer(context) as server:
        yield server


def test_a_stranger_s_certificate_is_not_believed(secure_club: ClubServer) -> None:
    client = client_of(f"https://localhost:{secure_club.port}")
    assert client.push(PUSH).answer.failure is Failure.TLS
    assert secure_club.seen == []
    client.close()


def test_a_club_with_its_own_certificate_is_believed_by_ca_file(secure_club: ClubServer, certificate: Path) -> None:
    address = ClubAddress(f"https://localhost:{secure_club.port}", GRANT.till_id, TOKEN, ca_file=str(certificate))
    client = ClubClient(address, FAST)
    assert classify(client.push(PUSH).answer) == Delivered()
    client.close()


def test_a_tls_handshake_that_never_ends_can_be_cut(club: ClubServer) -> None:
    with FaultProxy(club.port) as proxy:
        proxy.fault = Fault.SILENCE
        client = client_of(f"https://127.0.0.1:{proxy.port}", Timeouts())
        thread, found = in_thread(client)
        thread.join(0.3)
        assert thread.is_alive(), "positive control: the handshake blocks"
        client.close()
        thread.join(2)
        assert not thread.is_alive()
        assert found == [Answer(failure=Failure.TIMEOUT)]


def test_sockets_are_given_back(club: ClubServer) -> None:
    open_files = Path("/proc/self/fd")
    before = len(list(open_files.iterdir()))
    for _ in range(20):
        client = client_of(club.url)
        client.push(PUSH)
        client.close()
    del client
    gc.collect()
    # The club's side of the last connections may still be closing.
    assert len(list(open_files.iterdir())) < before + 10
