"""A real PostgreSQL of Debian's package, private to one test process: its own data, its own Unix socket, no TCP.

PostgreSQL refuses to run as root, so for root it runs as the user that the package made. It dies with the tests.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from functools import lru_cache
from pathlib import Path

import psycopg
import pytest

from posd.club.database import open_database
from posd.club.migrate import migrate

SETTINGS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=16MB",
    "max_connections=60",
    "deadlock_timeout=50ms",
    "listen_addresses=",
)
DEADLINE_S = 30


def find_binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


class Postgres:
    """One server. `new_database` gives each test its own."""

    def __init__(self, binaries: Path) -> None:
        self._user = _user()
        self._folder = Path(tempfile.mkdtemp(prefix="posd-pg-"))
        shutil.chown(self._folder, self._user, pwd.getpwnam(self._user).pw_gid)
        data = self._folder / "data"
        command = [str(binaries / "initdb"), "-D", str(data), "-U", "posd", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*self._as_user(), *command, "--locale=C.UTF-8"], check=True, capture_output=True, timeout=60)
        server = [str(binaries / "postgres"), "-D", str(data), "-k", str(self._folder)]
        for setting in SETTINGS:
            server += ["-c", setting]
        self._log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen([*self._as_user(), *server], stdout=self._log, stderr=self._log)
        self._count = 0
        self._template: str | None = None
        self._wait()

    def _as_user(self) -> list[str]:
        """SIGINT on our death: PostgreSQL shuts down fast and cleans up."""
        command = ["setpriv", "--pdeathsig", "INT"]
        if os.geteuid() == 0:
            command += [f"--reuid={self._user}", f"--regid={pwd.getpwnam(self._user).pw_gid}", "--clear-groups"]
        return command

    def _wait(self) -> None:
        pause = threading.Event()
        for _ in range(DEADLINE_S * 20):
            try:
                psycopg.connect(self._address("postgres")).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self._folder / "log").read_text()
                pause.wait(0.05)
            else:
                return
        raise AssertionError((self._folder / "log").read_text())

    def _address(self, name: str) -> str:
        return f"postgresql://posd@/{name}?host={self._folder}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        return self._create("template0")

    def migrated_database(self) -> str:
        """The URL of a database that has the club's tables, copied from one that was migrated."""
        if self._template is None:
            url = self._create("template0")
            database = open_database(self._folder, url)
            migrate(database)
            database.close()
            self._template = f"club{self._count}"
        return self._create(self._template)

    def _create(self, template: str) -> str:
        self._count += 1
        name = f"club{self._count}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._address(name)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(DEADLINE_S)
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _user() -> str:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


@lru_cache(maxsize=1)
def the_postgres() -> Postgres:
    """The server of this test process; it is stopped when the process ends."""
    binaries = find_binaries()
    if binaries is None:
        pytest.fail("PostgreSQL is not installed: apt-get install postgresql")
    server = Postgres(binaries)
    atexit.register(server.stop)
    return server


def database_url(kind: str) -> str | None:
    """``sqlite`` → None (a file in the state directory), ``postgresql`` → a fresh database."""
    return the_postgres().migrated_database() if kind == "postgresql" else None


ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
BOTH = pytest.mark.parametrize("engine", ENGINES)
