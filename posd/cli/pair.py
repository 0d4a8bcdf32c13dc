"""``posd pair``: let a register program or a web register use the till's API."""

from __future__ import annotations

import click

from posd.api.pairing import VALID_S, Pairing
from posd.api.scopes import REGISTER, Scope
from posd.api.tokens import TokenStore
from posd.cli.place import Place, json_option, pass_place, print_json
from posd.errors import ConfigError
from posd.machine import SystemClock


@click.group(invoke_without_command=True)
@click.option("--origin", help="Web origin of a register in the browser, as https://pos.example.")
@click.option("--admin", is_flag=True, help="Also lets it manage tokens and run reader checks.")
@click.pass_context
def pair(context: click.Context, origin: str | None, admin: bool) -> None:
    """Show a code which a register exchanges for a token, once, within five minutes."""
    if context.invoked_subcommand:
        return
    place = context.find_object(Place)
    assert place is not None
    scopes = REGISTER | ({Scope.ADMIN} if admin else frozenset())
    code = Pairing(place.state_dir, SystemClock()).show(scopes, origin)
    click.echo(f"{code}  (type it into the register within {VALID_S // 60} minutes)")


@pair.command("list")
@json_option
@pass_place
def list_tokens(place: Place, as_json: bool) -> None:
    """Who is paired, and what each may do."""
    tokens = TokenStore(place.state_dir, SystemClock()).all()
    if as_json:
        print_json([{"name": t.name, "origin": t.origin, "scopes": sorted(t.scopes)} for t in tokens])
        return
    for token in tokens:
        click.echo(f"{token.name:20}  {token.origin or 'this machine':30}  {' '.join(sorted(token.scopes))}")


@pair.command("revoke")
@click.argument("name")
@pass_place
def revoke_token(place: Place, name: str) -> None:
    """Take a token back."""
    if not TokenStore(place.state_dir, SystemClock()).revoke(name):
        raise ConfigError(f"nobody is paired as {name!r}; see: posd pair list")
    click.echo(f"{name} is no longer paired")
