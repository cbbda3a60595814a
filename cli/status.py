"""`docmill status`: how much is in the store, with which models, and how far its indexes reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cli.output import Common, common_options, console, json_line, one_line, print_line, size_text
from pipeline.status import status_of
from pipeline.store import open_store


@click.command()
@common_options
def status(common: Common) -> int | None:
    """Show rows by modality, documents by state, models, sizes and indexes, and what the vectors of pages take.

    Stale documents are counted by the settings in force; null in --json where the store was made with other models.
    """
    store = open_store(common.settings.store)
    found = status_of(common.settings, store)
    if common.json:
        print_line(json_line(found))
    else:
        _show(found, console())
    return None


def _show(found: Mapping[str, Any], out: Console) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_row("store", one_line(found["uri"]))
    table.add_row("rows", _counts(found["rows"]))
    table.add_row("documents", _counts(found["documents"]) or "none")
    if found["stale"]:
        stale = f"{found['stale']:,} of the indexed, made by other settings or an older docmill: ingest --refresh"
        table.add_row("stale", stale)
    for kind, model in found["models"].items():
        table.add_row(f"model ({kind})", one_line(model))
    for terms in found["accepted"]:
        table.add_row("accepted", f"{one_line(terms)} (no commercial use)")
    for name, size in found["bytes"].items():
        table.add_row(f"table {name}", f"{size_text(size)}, version {found['versions'][name]}")
    if "pages" in found:
        for name, text in _page_lines(found["pages"]):
            table.add_row(name, text)
    for name, columns in found["indexes"].items():
        for column, rows in columns.items():
            table.add_row(f"index {name}.{column}", _coverage(rows))
    out.print(table)


def _page_lines(pages: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    vectors, size = pages["vectors"], pages["bytes"]
    sample = "" if pages["counted"] == pages["pages"] else f" (of {pages['counted']:,} pages)"
    yield "vectors a page", f"{vectors['mean']:,.0f}, at the most {vectors['max']:,}{sample}"
    yield "bytes a page", f"{size_text(size['mean'])}, at the most {size_text(size['max'])}"
    for factor, other in pages["pooling"].items():
        change = f"{other['saved']:.0%} less" if other["saved"] >= 0 else f"{-other['saved']:.0%} more"
        yield f"  page.pooling {factor}", f"{size_text(other['mean'])} a page, {change}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _coverage(rows: Mapping[str, int]) -> str:
    waiting = f", {rows['unindexed']:,} not yet" if rows["unindexed"] else ""
    return f"{rows['indexed']:,} rows{waiting}"
