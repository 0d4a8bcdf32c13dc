"""Groups whose commands are named and not imported: what a command needs is loaded when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """``named``: command → ``module:attribute``."""

    def __init__(self, *arguments: Any, named: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._named = named

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._named)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._named:
            return None
        module, _, attribute = self._named[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command
