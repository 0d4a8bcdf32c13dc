"""``posd club``: the customer club, on this machine. The club's libraries are loaded by these commands alone."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from posd.cli.place import Place, json_option, pass_place, print_json
from posd.errors import ConfigError
from posd.machine import notify_systemd

try:
    from posd.club import owner, serving, shop
    from posd.club.login import login_link
    from posd.club.tills import BY_HAND, UNATTENDED_GROUPS, Terms
    from posd.club.trouble import in_plain_words
except ModuleNotFoundError as missing:  # a till without the extra has no SQLAlchemy
    raise ConfigError(f"the club is not installed here ({missing.name}); run: pip install 'posd[club]'") from missing

database_option = click.option("--database", metavar="URL", help="PostgreSQL URL; default is a SQLite file.")


class ClubGroup(click.Group):
    """Every command here opens the club's database, and every one says it the same way when that fails."""

    def invoke(self, ctx: click.Context) -> Any:
        with in_plain_words():
            return super().invoke(ctx)


@click.group(cls=ClubGroup)
def club() -> None:
    """The customer club: members, programs, journal, the owner's page."""


def club_dir(place: Place) -> Path:
    """A till keeps its own club below its state; a club server's state directory is the club's."""
    return place.club_dir if place.club_dir.is_dir() else place.state_dir


@club.command()
@click.option("--name", prompt="Name of the club", help="As members know it.")
@click.option("--language", type=click.Choice(shop.LANGUAGES), default="fa", show_default=True)
@click.option("--money", help="toman, rial, dinar, dollar, … (default: what the language's shops use)")
@database_option
@pass_place
def init(place: Place, name: str, language: str, money: str | None, database: str | None) -> None:
    """Found a club with two ready programs. Running it again changes nothing."""
    founded = owner.init_club(club_dir(place), name, settings=shop.settings_for(language, money), database_url=database)
    click.echo(f"club {founded.name!r} is ready; next: posd club serve, then posd club invite")


@club.command()
@click.option("--host", default=serving.HOST, show_default=True, help="Address to listen on.")
@click.option("--port", default=serving.PORT, show_default=True)
@click.option("--host-name", "names", multiple=True, help="A further name by which browsers reach it.")
@click.option("--embedded", is_flag=True, hidden=True, help="Speak to the daemon that started us.")
@database_option
@pass_place
def serve(place: Place, host: str, port: int, names: tuple[str, ...], embedded: bool, database: str | None) -> None:
    """Serve the club to tills and to the owner's browser."""
    directory = club_dir(place)

    def listening(url: str) -> None:
        if embedded:
            json.dump({"url": url, "page": login_link(directory, url)}, sys.stdout)
            click.echo()
            return
        notify_systemd("READY=1", f"STATUS=listening on {url}")
        in_journal = "JOURNAL_STREAM" in os.environ
        page = "its address holds a key and is not for the journal; see: posd club page"
        click.echo(f"club   {url}\npage   {page if in_journal else login_link(directory, url)}")

    if embedded:  # Ctrl-C on a terminal reaches the whole group; the daemon decides when its club stops
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    serving.serve(
        directory, database, host=host, port=port, names=names, exit_with_parent=embedded, on_listening=listening
    )


@club.command()
@click.option("--host", default=serving.HOST, show_default=True, help="Host by which the owner's browser reaches it.")
@click.option("--port", default=serving.PORT, show_default=True)
@json_option
@pass_place
def page(place: Place, host: str, port: int, as_json: bool) -> None:
    """Print a link that opens the owner's page once."""
    link = login_link(club_dir(place), serving.address((host, port)))
    print_json({"page": link}) if as_json else click.echo(link)


@club.command()
@click.option("--unattended", is_flag=True, help="A long code for set-up by a program.")
@click.option("--uses", type=click.IntRange(1, 1000), default=1, help="With --unattended: how many tills it lets in.")
@click.option("--hours", type=click.IntRange(1, 24 * 90), default=24, help="With --unattended: how long it is good.")
@json_option
@database_option
@pass_place
def invite(place: Place, unattended: bool, uses: int, hours: int, as_json: bool, database: str | None) -> None:
    """Make a code by which one till may join within 24 hours."""
    if not unattended and (uses, hours) != (1, 24):
        raise ConfigError("--uses and --hours need --unattended: a code that is typed is good for one till and a day")
    terms = Terms(UNATTENDED_GROUPS, uses, hours * 3_600_000) if unattended else BY_HAND
    code = owner.invite(club_dir(place), database, terms)
    print_json({"invitation": code}) if as_json else click.echo(
        f"{code}  (on the till: posd enrol CLUB-ADDRESS {code})"
    )


@club.command()
@click.option("--limit", default=200, show_default=True)
@json_option
@database_option
@pass_place
def member(place: Place, limit: int, as_json: bool, database: str | None) -> None:
    """List members, newest change first. Phone numbers are masked."""
    rows = [member_document(row) for row in owner.list_members(club_dir(place), database, limit)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        balances = "  ".join(f"{amount} {unit}" for unit, amount in row["balances"].items())
        click.echo(
            f"{row['member_id']}  {row['name'] or '-':20}  {row['phone']:14}  {row['tier'] or '-':8}  {balances}"
        )


def member_document(row: Any) -> dict[str, Any]:
    return {
        "member_id": row.member_id,
        "name": row.name,
        "phone": row.phone_mask,
        "tier": row.tier,
        "balances": dict(row.balances),
        "state": row.state,
    }


@club.command()
@json_option
@database_option
@pass_place
def report(place: Place, as_json: bool, database: str | None) -> None:
    """The owner's figures: sales per day, members, what is owed to them, what waits for a person."""
    figures = owner.report(club_dir(place), database)
    if as_json:
        print_json(figures)
        return
    click.echo(f"{figures['club']}: {figures['members']} members, {figures['active_members']} active")
    owed = f"{figures['owed_minor']} {figures['currency']}"
    click.echo(f"owed to members: {owed}, points among it: {figures['owed_points']}")
    for day in figures["days"]:
        click.echo(f"{day['on']}  with a card {day['carded_minor']:>16}  without {day['other_minor']:>16}")
    for entry in figures["parked"]:
        click.echo(f"to be looked at: till {entry['till_id']} entry {entry['seq']}: {entry['reason']}")


@club.group()
def program() -> None:
    """Programs in force."""


@program.command("set")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@database_option
@pass_place
def program_set(place: Place, file: Path, database: str | None) -> None:
    """Put a program (TOML or JSON), or a new version of one, into force."""
    from posd.cli.program import read_document  # noqa: PLC0415  # shares the reader, not the libraries

    done = owner.set_program(club_dir(place), read_document(file), database)
    click.echo(f"program {done.id} version {done.version} is in force; tills have it within a second")


@program.command("drop")
@click.argument("program_id")
@database_option
@pass_place
def program_drop(place: Place, program_id: str, database: str | None) -> None:
    """Take a program out of use. What was earned by it stays."""
    owner.drop_program(club_dir(place), program_id, database)
    click.echo(f"program {program_id} is no longer in force")


@club.group()
def till() -> None:
    """Tills that belong to the club."""


@till.command("list")
@json_option
@database_option
@pass_place
def till_list(place: Place, as_json: bool, database: str | None) -> None:
    """Tills, the four words of their joining, and whether they are shut out."""
    rows = owner.list_tills(club_dir(place), database)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        shut = "  shut out" if row["revoked_ms"] else ""
        copies = f"  its ledger has copies; see: posd club till copies {row['till_id']}" if row["doubled"] else ""
        click.echo(f"{row['till_id']}  {row['name']}  {row['words']}{shut}{copies}")


@till.command("copies")
@click.argument("till_id")
@json_option
@database_option
@pass_place
def till_copies(place: Place, till_id: str, as_json: bool, database: str | None) -> None:
    """Copies of a till's ledger: where they part, and what only one of them has."""
    found = owner.till_copies(club_dir(place), till_id, database)
    if found is None:
        raise ConfigError(f"no till {till_id} belongs to this club; see: posd club till list")
    if as_json:
        print_json(asdict(found))
        return
    click.echo(f"{found.name}: the same up to entry {found.common_seq}")
    for copy in found.copies:
        since = f", from entry {copy.from_seq} on" if copy.count else ""
        click.echo(f"epoch {copy.epoch}  {copy.state.value}  {copy.count} entries of its own{since}")
    if found.undecided:
        click.echo(f"nothing is spent there until you say: posd club till choose {till_id} EPOCH")


@till.command("choose")
@click.argument("till_id")
@click.argument("epoch", type=int)
@database_option
@pass_place
def till_choose(place: Place, till_id: str, epoch: int, database: str | None) -> None:
    """Say which copy of a till's ledger is the till; the others are closed."""
    if not owner.decide_copy(club_dir(place), till_id, "choose", epoch, database):
        raise ConfigError(f"till {till_id} has no epoch {epoch}; see: posd club till copies {till_id}")
    click.echo(f"epoch {epoch} is the till")


@till.command("block")
@click.argument("till_id")
@click.argument("epoch", type=int)
@database_option
@pass_place
def till_block(place: Place, till_id: str, epoch: int, database: str | None) -> None:
    """Take nothing more from one copy of a till's ledger; it keeps what it sells."""
    if not owner.decide_copy(club_dir(place), till_id, "block", epoch, database):
        raise ConfigError(
            f"till {till_id} has no epoch {epoch} beside another open one; to shut the till out: posd club till revoke"
        )
    click.echo(f"epoch {epoch} is blocked")


@till.command("revoke")
@click.argument("till_id")
@database_option
@pass_place
def till_revoke(place: Place, till_id: str, database: str | None) -> None:
    """Shut a till out: it keeps its ledger and may no longer talk to the club."""
    if not owner.revoke_till(club_dir(place), till_id, database):
        raise ConfigError(
            f"no till {till_id} belongs to this club, or it is shut out already; see: posd club till list"
        )
    click.echo(f"till {till_id} is shut out")


@till.command("held")
@json_option
@database_option
@pass_place
def till_held(place: Place, as_json: bool, database: str | None) -> None:
    """What of members' balances is set apart for which till, and what was written off."""
    rows = owner.held_by_tills(club_dir(place), database)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        lost = "" if row["written_off_ms"] is None else "  written off"
        click.echo(f"{row['till_id']}  {row['member_id']}  {row['rest']} {row['unit']}{lost}")


@till.command("write-off")
@click.argument("till_id")
@database_option
@pass_place
def till_write_off(place: Place, till_id: str, database: str | None) -> None:
    """Give back to members what a lost till holds of their balances; what it spent and reports later is parked."""
    lost = owner.write_off_till(club_dir(place), till_id, database)
    click.echo("written off: " + (", ".join(f"{amount} {unit}" for unit, amount in sorted(lost.items())) or "nothing"))


@club.command("offline-share")
@click.argument("percent", type=click.IntRange(0, 100))
@database_option
@pass_place
def offline_share(place: Place, percent: int, database: str | None) -> None:
    """How much of a member's balance a till may keep after a visit, to be spent while the club is away."""
    owner.set_offline_share(club_dir(place), percent, database)
    click.echo(f"tills keep {percent} percent")
