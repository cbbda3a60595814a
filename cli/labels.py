"""`docmill labels`: what people said of the routes of pages, for reading and for programs."""

from __future__ import annotations

import click
from rich.table import Table
from rich.text import Text

from cli.output import Common, common_options, console, json_line, print_line, short_name
from pipeline.labelled import label_value
from pipeline.store import open_store


@click.command()
@common_options
def labels(common: Common) -> int | None:
    """Pages whose route was marked as wrong in `docmill browse`, and which path they should take.

    `docmill backfill reroute` does as they say. With --json one line for each: doc_id, source_uri, content_sha256,
    page, path, was, reason, signals and labelled_at.
    """
    found = open_store(common.settings.store).route_labels()
    if common.json:
        for label in found:
            print_line(json_line(label_value(label)))
    elif not found:
        console().print("no page is labelled; `docmill browse` shows them by route")
    else:
        table = Table("source", "page", "was", "should be", "labelled", box=None, padding=(0, 2, 0, 0))
        for label in found:
            was, day = f"{label.was} ({label.reason})", f"{label.labelled_at:%Y-%m-%d}"
            table.add_row(Text(short_name(label.source_uri)), str(label.page), Text(was), label.path, day)
        console().print(table)
    return None
