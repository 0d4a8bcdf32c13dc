"""Bring the club's tables up to date. Runs at every start; one version of the schema is one file in `migrations/`."""

from __future__ import annotations

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from posd.club.database import Database
from posd.errors import ConfigError


def migrate(database: Database) -> None:
    """Raises ConfigError when the database was written by a newer posd."""
    config = Config()
    config.set_main_option("script_location", str(files("posd.club") / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with database.writer.begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ConfigError(
                f"this club's database is of a newer posd; update posd on this machine ({error})"
            ) from error
