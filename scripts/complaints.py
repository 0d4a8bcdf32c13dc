"""The table of public complaints: what docs/complaints.toml says, and the tests that prove posd's answers.

A test proves an answer when it carries ``@pytest.mark.complaint(number)``; a class or a module may carry it too.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from posd.tables import from_table
from scripts.markdown import table


@dataclass(frozen=True, slots=True)
class Complaint:
    """One row; ``threads`` are written ``owner/repository#number``."""

    number: int
    says: str
    threads: tuple[str, ...]
    answer: str


@dataclass(frozen=True, slots=True, order=True)
class Proof:
    """A marked test. ``name`` is empty where a whole module is marked."""

    file: str
    line: int
    name: str


def read_complaints(path: Path) -> list[Complaint]:
    rows = tomllib.loads(path.read_text("utf-8"))["complaint"]
    return [from_table(Complaint, row, f"complaint {n}") for n, row in enumerate(rows, 1)]


def collect_proofs(tests: Path) -> dict[int, list[Proof]]:
    """Complaint → marked tests, by reading the sources: nothing is imported."""
    proofs: dict[int, list[Proof]] = {}
    for path in sorted(tests.rglob("*.py")):
        source = path.read_text("utf-8")
        for number, line, name in _marks(ast.parse(source)) if "mark.complaint" in source else ():
            proofs.setdefault(number, []).append(Proof(str(path.relative_to(tests)), line, name))
    return {number: sorted(set(found)) for number, found in sorted(proofs.items())}


def _marks(tree: ast.Module) -> Iterator[tuple[int, int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                yield from ((number, node.lineno, node.name) for number in _numbers(decorator))
        elif isinstance(node, ast.Assign) and "pytestmark" in [ast.unparse(target) for target in node.targets]:
            for part in ast.walk(node.value):
                yield from ((number, 0, "") for number in _numbers(part))


def _numbers(mark: ast.AST) -> list[int]:
    if not isinstance(mark, ast.Call) or ast.unparse(mark.func) != "pytest.mark.complaint":
        return []
    values = [argument.value for argument in mark.args if isinstance(argument, ast.Constant)]
    return [value for value in values if isinstance(value, int)]


def unproven(complaints: Sequence[Complaint], proofs: Mapping[int, Sequence[Proof]]) -> list[int]:
    return [complaint.number for complaint in complaints if not proofs.get(complaint.number)]


def complaint_table(complaints: Sequence[Complaint], proofs: Mapping[int, Sequence[Proof]]) -> str:
    return table(
        ["", "people say", "posd", "proved by"],
        [
            (
                str(row.number),
                f"{row.says} ({', '.join(map(_thread, row.threads))})",
                row.answer,
                _tests(proofs.get(row.number, [])),
            )
            for row in complaints
        ],
    )


def _thread(thread: str) -> str:
    repository, _, number = thread.partition("#")
    return f"[{thread}](https://github.com/{repository}/issues/{number})"


def _tests(proofs: Sequence[Proof]) -> str:
    by_file: dict[str, list[str]] = {}
    for proof in proofs:
        names = by_file.setdefault(proof.file, [])
        if proof.name:
            names.append(f"`{proof.name}`")
    return "; ".join(
        f"[{file}](../tests/{file}){': ' if names else ''}{', '.join(names)}" for file, names in by_file.items()
    )
