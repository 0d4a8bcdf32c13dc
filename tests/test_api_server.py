"""The embedded server and its doors: sockets of our own and of systemd, ports that are taken, peers, quiet."""

from __future__ import annotations

import grp
import json
import os
import socket
import stat
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from posd.api.occupant import occupant_of
from posd.api.peers import Peer, caller_of, peer_of
from posd.api.scopes import EVERYTHING, REGISTER, Scope
from posd.api.settings import ApiSettings
from posd.api.sockets import adopt_sockets, bound_port, close_sockets, open_sockets
from posd.errors import ConfigError
from tests.fakes.local_api import local_api

NOBODY = 65534


def test_both_loopbacks_and_the_unix_socket_answer(tmp_path: Path) -> None:
    with local_api(tmp_path) as api:
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family) as client:
                client.connect((address, api.port))
        assert api.request("GET", "/health", headers={"Host": f"[::1]:{api.port}"}).status == 200
        assert api.ask_locally("GET", "/v1/status").status == 200
        assert stat.S_IMODE((tmp_path / "posd.sock").stat().st_mode) == 0o660


def test_a_stopped_server_frees_its_port_and_starts_again(tmp_path: Path) -> None:
    with local_api(tmp_path) as api:
        port = api.port
        assert api.request("GET", "/health").status == 200
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    fixed = ApiSettings(tmp_path, port=port, socket=tmp_path / "posd.sock")
    (tmp_path / "tokens.json").unlink()
    with local_api(tmp_path, settings=fixed) as again:
        assert again.ask_locally("GET", "/health").status == 200


def test_a_taken_port_names_who_has_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(ConfigError) as error:
            open_sockets(ApiSettings(tmp_path, port=port), environ={})
        name = Path("/proc/self/comm").read_text().strip()
        assert f"port {port} is in use by {name} (pid {os.getpid()})" in str(error.value)
        assert "posd.toml" in str(error.value)
    close_sockets(open_sockets(ApiSettings(tmp_path, port=port), environ={}))


def test_a_port_taken_on_ipv6_alone_is_found_too(tmp_path: Path) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(ConfigError, match=f"pid {os.getpid()}"):
            open_sockets(ApiSettings(tmp_path, port=port), environ={})
        socket.create_server(("127.0.0.1", port)).close()  # the first socket was given back


def test_an_occupant_that_may_not_be_seen_is_looked_for_with_ss(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    assert "sudo ss -ltnp" in occupant_of(7673, proc=tmp_path)


def test_a_second_posd_on_one_socket_is_refused_and_a_leftover_is_not(tmp_path: Path) -> None:
    settings = ApiSettings(tmp_path, port=0, socket=tmp_path / "posd.sock")
    first = open_sockets(settings, environ={})
    with pytest.raises(ConfigError, match=rf"another posd \(pid {os.getpid()}\) answers"):
        open_sockets(settings, environ={})
    close_sockets(first)
    assert (tmp_path / "posd.sock").exists()
    close_sockets(open_sockets(settings, environ={}))


@pytest.mark.parametrize("place", ["missing/posd.sock", "x" * 120])
def test_a_socket_that_cannot_be_opened_says_so_and_frees_the_port(tmp_path: Path, place: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(ConfigError, match=r"\[api\] socket .* cannot be opened"):
        open_sockets(ApiSettings(tmp_path, port=port, socket=tmp_path / place), environ={})
    close_sockets(open_sockets(ApiSettings(tmp_path, port=port), environ={}))


def test_sockets_of_systemd_are_adopted(tmp_path: Path) -> None:
    """As sd_listen_fds(3): descriptors from 3, our pid in the environment."""
    script = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        from posd.api.settings import ApiSettings
        from posd.api.sockets import bound_port, open_sockets
        from posd.errors import ConfigError
        os.environ["LISTEN_PID"] = str(os.getpid())
        try:
            found = open_sockets(ApiSettings(Path(sys.argv[1]), port=1))
        except ConfigError as error:
            print(error)
        else:
            print([s.fileno() for s in found], bound_port(found), any(os.get_inheritable(s.fileno()) for s in found))
    """)

    def adopted(listener: socket.socket) -> str:
        with listener, socket.socket(socket.AF_UNIX) as unix:
            unix.bind(str(tmp_path / f"{len(list(tmp_path.iterdir()))}.sock"))
            unix.listen()
            passed = (listener.fileno(), unix.fileno())
            moved = f'exec 8<&{passed[0]} 9<&{passed[1]}; exec 3<&8 4<&9; exec "$@"'
            done = subprocess.run(
                ["bash", "-c", moved, "-", sys.executable, "-c", script, str(tmp_path)],
                pass_fds=passed, env={**os.environ, "LISTEN_FDS": "2"}, capture_output=True, text=True, check=True,
            )  # fmt: skip
            return done.stdout.strip()

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    assert adopted(listener) == f"[3, 4] {port} False"
    assert "0.0.0.0, which is not loopback" in adopted(socket.create_server(("0.0.0.0", 0)))


def test_sockets_meant_for_another_process_are_left_alone() -> None:
    assert adopt_sockets({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) == []
    assert adopt_sockets({}) == []


def test_the_kernel_says_who_is_at_the_unix_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        client.connect(str(tmp_path / "s"))
        accepted, _ = listener.accept()
        assert peer_of(accepted) == Peer(os.getpid(), os.getuid(), os.getgid())
        accepted.close()
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        assert peer_of(tcp) is None


def test_peers_get_scopes_by_user_and_group() -> None:
    group = grp.getgrgid(0).gr_name
    table = {group: frozenset({Scope.SYNC}), "posd-admin": frozenset({Scope.ADMIN})}
    assert caller_of(Peer(1, os.geteuid(), 0), table).scopes == EVERYTHING
    assert caller_of(Peer(1, NOBODY, 0), table).scopes == REGISTER | {Scope.SYNC}
    assert caller_of(Peer(1, 4_000_000_000 % 2**31, 0), table).name == f"uid:{4_000_000_000 % 2**31}"
    unknown = caller_of(Peer(1, 2**31 - 7, 2**31 - 7), table)
    assert (unknown.name, unknown.scopes) == (f"uid:{2**31 - 7}", REGISTER)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user to connect")
def test_another_user_at_the_unix_socket_gets_a_registers_scopes(tmp_path: Path) -> None:
    ask = textwrap.dedent("""
        import os, socket, sys
        os.setgroups([]), os.setgid(65534), os.setuid(65534)
        for path in ("/v1/status", "/v1/tokens"):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(sys.argv[1])
                client.sendall(f"GET {path} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n".encode())
                print(b"".join(iter(lambda: client.recv(65536), b"")).split()[1].decode())
    """)
    place = Path("/tmp") / f"posd-test-{os.getpid()}.sock"
    try:
        with local_api(tmp_path, settings=ApiSettings(tmp_path, port=0, socket=place)):
            place.chmod(0o666)  # as a system group would open it to this user
            done = subprocess.run([sys.executable, "-c", ask, str(place)], capture_output=True, text=True, check=True)
            assert done.stdout.split() == ["200", "403"]
            place.chmod(0o660)
            shut = subprocess.run([sys.executable, "-c", ask, str(place)], capture_output=True, text=True, check=False)
            assert "PermissionError" in shut.stderr
    finally:
        place.unlink(missing_ok=True)


def test_a_caller_by_socket_needs_neither_token_nor_host_but_json(tmp_path: Path) -> None:
    with local_api(tmp_path) as api:
        assert api.ask_locally("GET", "/v1/tokens", Host="anything").status == 200
        assert api.ask_locally("POST", "/v1/quotes", b"a=1", Content_Type="text/plain").code == "media_type"


@pytest.mark.slow
def test_idle_wakes_nobody(tmp_path: Path) -> None:
    """Context switches of the server's own thread, as the kernel counts them, over a second of silence."""
    with local_api(tmp_path) as api:
        assert api.request("GET", "/health", headers={"Connection": "close"}).status == 200
        tid = next(thread.native_id for thread in threading.enumerate() if thread.name == "posd-api")
        counts = []
        pause = threading.Event()
        for _ in range(3):
            pause.wait(0.5)
            status = Path(f"/proc/self/task/{tid}/status").read_text()
            counts.append(int(status.split("voluntary_ctxt_switches:")[1].split()[0]))
        assert counts[1] == counts[2]
        assert api.request("GET", "/health").status == 200


def test_settings_port_is_what_the_sockets_have(tmp_path: Path) -> None:
    settings = ApiSettings(tmp_path, port=0)
    sockets = open_sockets(settings, environ={})
    assert {s.getsockname()[1] for s in sockets} == {bound_port(sockets)}
    assert replace(settings, port=bound_port(sockets)).port > 0
    close_sockets(sockets)
    assert bound_port([]) == 0


def test_health_is_json(tmp_path: Path) -> None:
    with local_api(tmp_path) as api:
        assert json.loads(api.request("GET", "/health").body) == {"status": "ok"}
