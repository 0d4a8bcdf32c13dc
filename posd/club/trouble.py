"""The club's database errors as lines for people, who are at a shell and have no use for a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DatabaseError, OperationalError

from posd.errors import PosdError


class ClubUnwritable(PosdError):
    """The club's database refuses; the message says what to do."""

    exit_code = 74


ADVICE = {
    10: "the disk refused: look at its free space (df) and its health (dmesg, smartctl)",
    13: "the disk is full: free some space",
    8: "it is read-only: look at the owner of the directory and whether the disk is mounted for writing",
    14: "it cannot be opened: look at the owner of the directory",
    11: "the file is damaged: restore it from the backup",
    26: "this is no club's database: restore it from the backup",
    5: "another program holds it: close it (fuser -v club.db)",
}
"""By SQLite's primary result code (sqlite.org/rescode.html): IOERR, FULL, READONLY, CANTOPEN, CORRUPT, NOTADB, BUSY."""
OF_A_SERVER = "look at the server's log, and at --database"


@contextmanager
def in_plain_words() -> Iterator[None]:
    """Raises `ClubUnwritable` for what the disk or the server said inside; statements and their values are not
    repeated. A fault of posd itself stays what it is."""
    try:
        yield
    except DatabaseError as error:
        advice = _advice(error)
        if advice is None:
            raise
        said = str(error.orig).strip().partition("\n")[0]
        raise ClubUnwritable(f"the club's database does not work ({said}); {advice}") from error
    except OSError as error:
        if error.filename is None:
            raise
        raise ClubUnwritable(
            f"{error.filename}: {error.strerror}; look at the disk's free space (df) and at the owner of the directory"
        ) from error


def _advice(error: DatabaseError) -> str | None:
    """None for what no owner can mend: a wrong statement, a broken constraint."""
    if type(error) not in (OperationalError, DatabaseError):
        return None
    code = getattr(error.orig, "sqlite_errorcode", None)
    return OF_A_SERVER if code is None else ADVICE.get(code & 0xFF)
