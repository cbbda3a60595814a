"""The `docmill` command. Imports a command's module only when that command runs, so that each one starts fast."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import click

from cli.output import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, one_line
from pipeline import __version__
from pipeline.errors import DocmillError, UsageError

COMMANDS = {  # name -> ("module:command", help in one line)
    "ingest": ("cli.ingest:ingest", "Read sources into the store."),
    "plan": ("cli.plan:plan", "What an ingest would do, and how long it would take."),
    "search": ("cli.search:search", "Find passages, pictures and pages."),
    "similar": ("cli.similar:similar", "Find what is like a row of the store."),
    "rows": ("cli.rows:rows", "Print what is in the store, row by row."),
    "status": ("cli.status:status", "What the store holds and how it is indexed."),
    "backfill": ("cli.backfill:backfill", "Do documents again, by another parser, routing rule or model."),
    "maintain": ("cli.maintain:maintain_store", "Merge files, update indexes, take away what is no longer needed."),
    "evaluate": ("cli.evaluate:evaluate", "Measure what searches find, leg by leg."),
    "canary": ("cli.canary:canary", "Ask known questions again: do searches find what they found?"),
    "serve": ("cli.serve:serve", "Prefect server, UI, schedules and worker in one."),
    "browse": ("cli.browse:browse", "Look at the store in a web browser."),
    "labels": ("cli.labels:labels", "Pages whose route was marked as wrong, and what it should be."),
    "quarantine": ("cli.quarantine:quarantine", "Documents that could not be read, and why."),
    "models": ("cli.models:models", "Embedders to choose from, with their legs, costs and licences."),
    "config": ("cli.config:config", "The settings in force and where each came from."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and help, and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all fine, 3 finished with quarantined documents, 2 bad usage or configuration, 1 failed.",
)
@click.version_option(__version__, prog_name="docmill", message="%(prog)s %(version)s")
def docmill() -> None:
    """Mixed corpora (PDF, web pages, office files, mail, images, text) in one searchable table."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code. An expected error is one line; a bug shows its traceback."""
    try:
        code = docmill.main(args=arguments, prog_name="docmill", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:  # also what click makes of Ctrl-C
        return _fail("interrupted", EXIT_INTERRUPTED)
    except UsageError as error:
        return _fail(f"error: {error}", EXIT_USAGE)
    except DocmillError as error:
        return _fail(f"error: {error}", EXIT_FAILED)
    return code if isinstance(code, int) else 0


def main() -> NoReturn:
    sys.exit(run())


def _fail(message: str, code: int) -> int:
    click.echo(f"docmill: {one_line(message)}", err=True)
    return code
