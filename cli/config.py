"""`docmill config`: every setting, its value and where the value came from. Passwords are never printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.table import Table

from cli.output import Common, common_options, console, json_line, one_line, print_line
from pipeline.settings_file import SettingRow, describe


@click.command()
@common_options
def config(common: Common) -> int | None:
    """Show the settings in force, and where each came from.

    Defaults, docmill.toml, DOCMILL_* variables (DOCMILL_LIMITS__PAGE_S for limits.page_s) and options; later ones win.
    """
    loaded = common.load()
    rows = describe(loaded.settings, loaded.origins)
    if common.json:
        print_line(json_line([asdict(row) for row in rows]))
    else:
        console().print(_table(rows))
    return None


def _table(rows: Sequence[SettingRow]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("setting", "value", "from", "what it is"):
        table.add_column(name, overflow="fold")
    for row in rows:
        origin = "" if row.origin == "default" else one_line(row.origin)
        value = row.value if isinstance(row.value, str) else json_line(row.value)
        table.add_row(row.key, one_line(value), origin, row.description)
    return table
