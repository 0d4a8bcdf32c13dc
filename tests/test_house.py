"""The house rules that must never break: layers, purity, one folder per I/O library, no mocks, two broad doors.

The rules are `docs/design.md`; this test only reads the source.
"""

from __future__ import annotations

import ast
import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "posd"
SOURCES = sorted(PACKAGE.rglob("*.py"))

WORDS, MEANING, RULES, EDGES, SHELLS, ENTRY = range(1, 7)

# The first prefix that fits decides. A module that fits none is a mistake in the plan: change the plan on purpose.
LAYERS = (
    ("posd.cli", ENTRY),
    ("posd.daemon", ENTRY),
    ("posd.club_link", ENTRY),
    ("posd.__main__", ENTRY),
    ("posd.club", ENTRY),
    ("posd.api", SHELLS),
    ("posd.config", SHELLS),
    ("posd.embedded_club", ENTRY),
    ("posd.private_file", EDGES),
    ("posd.till.loop", SHELLS),
    ("posd.till.desk", SHELLS),
    ("posd.sync.worker", SHELLS),
    ("posd.sync.local_port", SHELLS),
    ("posd.sync.socket_port", SHELLS),
    ("posd.sync.process", SHELLS),
    ("posd.till", RULES),
    ("posd.loyalty", RULES),
    ("posd.cards", MEANING),
    ("posd.units", WORDS),
    ("posd.events", WORDS),
    ("posd.errors", WORDS),
    ("posd.clock", WORDS),
    ("posd.words", WORDS),
    ("posd.tables", WORDS),
    ("posd.machine", EDGES),
    ("posd.drivers", EDGES),
    ("posd.ledger.entries", RULES),
    ("posd.ledger.accounts", RULES),
    ("posd.ledger.members", RULES),
    ("posd.sync.wire", RULES),
    ("posd.sync.policy", RULES),
    ("posd.sync.outcomes", RULES),
    ("posd.sync.link", RULES),
    ("posd.sync.port", RULES),
    ("posd.sync.port_messages", RULES),
    ("posd.sync.sealing", RULES),
    ("posd.ledger", EDGES),
    ("posd.sync", EDGES),
)

IMPURE = {"os", "socket", "sqlite3", "threading", "time", "random", "uuid", "logging", "requests", "serial", "evdev"}
IMPURE |= {"smartcard", "subprocess", "pyudev", "starlette", "uvicorn", "sqlalchemy"}

ONE_FOLDER: dict[str, str | tuple[str, ...]] = {
    "serial": "posd.drivers",
    "evdev": "posd.drivers",
    "smartcard": "posd.drivers",
    "pyudev": "posd.drivers",
    "sqlite3": ("posd.ledger", "posd.club"),
    "sqlite_utils": "posd.ledger",
    "requests": "posd.sync",
    "sqlalchemy": "posd.club",
    "alembic": "posd.club",
    "rich": "posd.cli",
    "click": "posd.cli",
    "pytest": "posd.drivers.contract",
}
SERVERS = {"starlette", "uvicorn"}

# Where everything that can go wrong must be caught, so that one reader or one plug-in never stops a till.
BROAD_DOORS = {"posd.drivers.containment", "posd.daemon"}

TOP_LEVEL = {
    "posd", "udev", "systemd", "debian", "docs", "tests", "bench", "scripts", "setup.cfg", "pyproject.toml", "Makefile",
    "README.md", "CHANGELOG.md", "LICENSE", ".ci", ".gitignore",
}  # fmt: skip
MONEY_ROOMS = ("posd.loyalty", "posd.ledger", "posd.till", "posd.units")
CLUB_MAY_IMPORT_TOO = ("posd.sync.sealing", "posd.machine")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def in_room(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


def layer(module: str) -> int | None:
    for prefix, number in LAYERS:
        if in_room(module, prefix):
            return number
    return None


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Modules that a file imports, wherever in it, except under TYPE_CHECKING."""
    tree = ast.parse(path.read_text("utf-8"))
    hidden = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and "TYPE_CHECKING" in ast.unparse(test.test)
        for node in ast.walk(test)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield base, node.lineno
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names if base.startswith("posd"))


def broken(rule: str, path: Path, line: int, what: str) -> str:
    return f"{path.relative_to(ROOT)}:{line}: {rule}: {what}"


def layer_breaks(path: Path) -> list[str]:
    module = module_name(path)
    own = layer(module)
    if own is None:
        return (
            [] if module == "posd" or path.name == "__init__.py" else [broken("no room in the plan", path, 1, module)]
        )
    found = []
    for name, line in imports(path):
        other = layer(name)
        if not name.startswith("posd") or other is None or name == module:
            continue
        if other > own:
            found.append(broken("imports upwards", path, line, name))
        if (
            own == other == EDGES
            and module.split(".")[1] != name.split(".")[1]
            and name.split(".")[1] not in ("machine", "private_file")
        ):
            found.append(broken("imports a sibling edge", path, line, name))
    return found


def purity_breaks(path: Path) -> list[str]:
    own = layer(module_name(path))
    if own is None or own > RULES:
        return []
    return [
        broken("pure rooms import no I/O, clock or dice", path, line, name)
        for name, line in imports(path)
        if name.split(".")[0] in IMPURE
    ]


def library_breaks(path: Path) -> list[str]:
    module = module_name(path)
    found = []
    for name, line in imports(path):
        top = name.split(".")[0]
        home = ONE_FOLDER.get(top)
        if home and not module.startswith(home):
            found.append(broken(f"{top} belongs to {home}", path, line, module))
        if top in SERVERS and not module.startswith(("posd.api", "posd.club")):
            found.append(broken("HTTP servers live in posd.api and posd.club", path, line, module))
    return found


def club_breaks(path: Path) -> list[str]:
    """The club may use what till and club share, and a till may not need the club."""
    module = module_name(path)
    found = []
    for name, line in imports(path):
        own = layer(name)
        inside = in_room(name, "posd.club")
        if in_room(module, "posd.club") and name.startswith("posd.") and not inside:
            if own is not None and own > RULES and not name.startswith(CLUB_MAY_IMPORT_TOO):
                found.append(broken("the club imports only layers 1 to 3", path, line, name))
        elif inside and not any(in_room(module, room) for room in ("posd.club", "posd.cli.club", "posd.cli.program")):
            found.append(broken("only the club's commands import the club", path, line, name))
    return found


def broad_breaks(path: Path) -> list[str]:
    tree = ast.parse(path.read_text("utf-8"))
    if module_name(path) in BROAD_DOORS:
        return []
    return [
        broken("broad except outside the two doors", path, node.lineno, "")
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node)
    ]


def _is_broad(handler: ast.ExceptHandler) -> bool:
    """Catches everything and keeps it; cleaning up and raising on is no catching."""
    last = handler.body[-1]
    passes_on = isinstance(last, ast.Raise) and last.exc is None
    return not passes_on and (handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException"))


CHECKS = [layer_breaks, purity_breaks, library_breaks, club_breaks, broad_breaks]


@pytest.mark.parametrize("check", CHECKS)
def test_the_house_stands(check) -> None:  # type: ignore[no-untyped-def]
    found = [line for path in SOURCES for line in check(path)]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("check", "module", "source"),
    [
        (layer_breaks, "posd/cards/wrong.py", "from posd.ledger.store import Store"),
        (layer_breaks, "posd/drivers/wrong.py", "import posd.ledger.store"),
        (purity_breaks, "posd/loyalty/wrong.py", "def now():\n    import time"),
        (library_breaks, "posd/till/wrong.py", "import serial"),
        (club_breaks, "posd/club/wrong.py", "from posd.ledger.store import Store"),
        (broad_breaks, "posd/till/wrong.py", "try:\n    pass\nexcept Exception:\n    pass"),
    ],
)
def test_each_check_can_fail(check, module, source, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Positive control: a house that breaks the rule is caught."""
    path = tmp_path / module
    path.parent.mkdir(parents=True)
    path.write_text(source)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert check(path)


def test_nothing_is_mocked() -> None:
    for path in [*SOURCES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "bench").rglob("*.py"))]:
        for name, line in imports(path):
            assert "mock" not in name.split("."), f"{path}:{line} imports {name}"


def test_the_contract_ships_for_strangers_and_is_no_part_of_a_till() -> None:
    """It needs pytest, which a till does not have."""
    for path in SOURCES:
        assert "posd.drivers.contract" not in [name for name, _ in imports(path)], path


def test_every_file_that_is_no_module_is_packed() -> None:
    """What setup.cfg leaves out is missing on every till, and in no test."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    packed = {
        file
        for package, patterns in setup["options.package_data"].items()
        for pattern in patterns.split(",")
        for file in (ROOT / package.replace(".", "/")).glob(pattern.strip())
    }
    files = {file for file in PACKAGE.rglob("*.*") if file.is_file() and file.suffix not in (".py", ".pyc")}
    assert files, "there are some"
    assert not [str(file.relative_to(ROOT)) for file in sorted(files - packed)]


def test_the_top_level_is_what_the_plan_says() -> None:
    ignored = {".git", ".venv", ".state", "build", "dist"}
    found = {p.name for p in ROOT.iterdir() if p.name not in ignored and not p.name.endswith((".egg-info", "_cache"))}
    found = {name for name in found if not name.startswith((".coverage", ".hypothesis", "__pycache__"))}
    assert found <= TOP_LEVEL, f"no room in the plan for {sorted(found - TOP_LEVEL)}"


def test_no_floats_where_money_and_points_are_decided() -> None:
    """The pure rooms hold no float literal and no true division."""
    for path in SOURCES:
        if not module_name(path).startswith(MONEY_ROOMS) or (layer(module_name(path)) or ENTRY) > RULES:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
            divides = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
            assert not is_float and not divides, f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
