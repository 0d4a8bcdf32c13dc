"""``posd program``: check a program before it is put into force, and try it on a basket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from posd.cli.place import Place, json_option, pass_place, print_json
from posd.errors import ConfigError, PosdError
from posd.loyalty.evaluation import quote as evaluate
from posd.loyalty.model import Basket, MemberView
from posd.loyalty.programs import Program, document_from_toml, parse_program, program_from_toml
from posd.machine import SystemClock
from posd.tables import nearest

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class ProgramWrong(PosdError):
    """The document needs changes."""

    exit_code = 65


@click.group()
def program() -> None:
    """Check and try programs."""


@program.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
def check(files: tuple[Path, ...]) -> None:
    """Say everything that must be changed, with line and key."""
    problems = 0
    for file in files:
        result = load(file)
        if isinstance(result, Program):
            click.echo(f"{file}: fine ({result.id} version {result.version}, {len(result.rules)} rules)")
            continue
        for problem in result:
            click.echo(f"{file}: {problem}")
        problems += len(result)
    if problems:
        raise ProgramWrong(f"{problems} to change; docs/programs.md explains every key")


@program.command()
@click.option("--program", "files", multiple=True, required=True, type=FILE, help="A program; may be repeated.")
@click.option("--basket", "basket_file", required=True, type=FILE, help="JSON or TOML: currency, lines, redeem.")
@click.option("--member", "member_file", type=FILE, help="JSON or TOML: balances, tier.")
@json_option
@pass_place
def quote(_place: Place, files: tuple[Path, ...], basket_file: Path, member_file: Path | None, as_json: bool) -> None:
    """What a sale would earn and could redeem, and why."""
    from posd.till.view import quote_document  # noqa: PLC0415  # the till's own words for it

    programs = [_expect(load(file)) for file in files]
    basket = _basket(read_document(basket_file))
    member = _member(read_document(member_file)) if member_file else None
    result = evaluate(programs, member, basket, SystemClock().now().wall_ms)
    document = quote_document(result, frozenset(basket.redeem))
    if as_json:
        print_json(document)
        return
    click.echo(f"total {result.total_minor} {result.currency}, to pay {result.payable_minor}")
    for item in document["redemptions"]:
        click.echo(f"spends {item['spent']} {item['unit']} worth {item['value_minor']}")
    for item in document["earnings"]:
        click.echo(f"earns  {item['earned']} {item['unit']}  ({item['why']['key']})")
    for option in document["options"]:
        why = f"  ({option['why_not']['key']})" if option["why_not"] else ""
        click.echo(f"could spend {option['possible']} {option['unit']} worth {option['value_minor']}{why}")
    for hint in document["hints"]:
        click.echo(f"hint   {hint['key']} {json.dumps(hint['args'], ensure_ascii=False)}")


def load(file: Path) -> Program | list[Any]:
    """A program from TOML or JSON, or what is wrong with it."""
    if file.suffix == ".json":
        return parse_program(read_document(file))
    return program_from_toml(file.read_text("utf-8"))


def read_document(file: Path) -> dict[str, Any]:
    """A TOML or JSON file as a mapping. Raises `ConfigError`."""
    text = file.read_text("utf-8")
    try:
        found = json.loads(text) if file.suffix == ".json" else document_from_toml(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{file} is not JSON: {error}") from error
    if isinstance(found, list):
        raise ConfigError(f"{file} {found[0]}")
    if not isinstance(found, dict):
        raise ConfigError(f"{file} must hold one table")
    return found


def _expect(result: Program | list[Any]) -> Program:
    if isinstance(result, Program):
        return result
    raise ProgramWrong("\n".join(str(problem) for problem in result))


def _basket(document: dict[str, Any]) -> Basket:
    from posd.till.desk import sale_line  # noqa: PLC0415  # the register's reading of a line

    _known(document, ("currency", "lines", "redeem"))
    lines = tuple(sale_line(n, line) for n, line in enumerate(document["lines"], 1))
    return Basket(document.get("currency", "IRR"), lines, document.get("redeem", {}))


def _member(document: dict[str, Any]) -> MemberView:
    _known(document, ("balances", "tier"))
    balances = document.get("balances", {})
    return MemberView("member", document.get("tier"), balances, balances)


def _known(document: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in document:
        if key not in keys:
            raise ConfigError(f"unknown key {key!r}{nearest(key, keys)}")
