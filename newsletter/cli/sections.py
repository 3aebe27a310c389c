"""A group of commands that lie in several files, each imported when a command of its own is asked for."""

import importlib
from collections.abc import Mapping, Sequence

import click
from flask.cli import AppGroup


class Sections(AppGroup):
    """Finds a command by the file it lies in, so that the process of one command has only what that one needs.

    `sections` names files of this folder, and the commands that the `register` of each adds to this group. Help, which
    shows every command, imports them all. (Click: "Lazily Loading Subcommands".)
    """

    def __init__(self, name: str, *, help: str, sections: Mapping[str, Sequence[str]]) -> None:  # noqa: A002 - click's
        super().__init__(name, help=help)
        self.sections = sections
        self._files = {command: file for file, commands in sections.items() for command in commands}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._files})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self._files and cmd_name not in self.commands:
            importlib.import_module(f"newsletter.cli.{self._files[cmd_name]}").register(self)
        return super().get_command(ctx, cmd_name)
