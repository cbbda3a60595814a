"""`docmill rows`: what is in the table, in document order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from cli.output import Common, common_options, console, json_line, one_line, print_line, short_name
from pipeline.store import open_store


@click.command()
@click.option("--source-uri", metavar="URI", help="Only the rows of this document.")
@common_options
def rows(common: Common, source_uri: str | None) -> int | None:
    """Print the rows of the store, without their vectors, in document order.

    With --json a line of JSON for each row: id, source_uri, modality, page, bbox, text and the other columns.
    """
    store = open_store(common.settings.store)
    found = store.rows(source_uri)
    if common.json:
        for row in found:
            print_line(json_line(row))
        return None
    out = console()
    for row in found:
        out.print(_line(row), no_wrap=True, overflow="ellipsis")
    return None


def _line(row: Mapping[str, Any]) -> str:
    page = "" if row["page"] is None else f" p. {row['page']}"
    return f"{row['modality']:<5} {short_name(row['source_uri'])}{page}  {one_line((row['text'] or '')[:300])}"
