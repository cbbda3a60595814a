"""`docmill quarantine`: documents that could not be read, grouped by what was wrong with them."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.table import Table
from rich.text import Text

from cli.output import Common, common_options, console, json_line, one_line, print_line, short_name
from pipeline.errors import UsageError
from pipeline.store import open_store
from pipeline.types import DocumentRecord


@click.group()
def quarantine() -> None:
    """Documents that could not be read, and why."""


@quarantine.command()
@common_options
def ls(common: Common) -> int | None:
    """List quarantined documents, one line for each kind of failure.

    With --json one list with an object for each document: source_uri, stage, error, reason, page, attempts,
    fingerprint. Documents with the same fingerprint failed in the same way.
    """
    found = list(open_store(common.settings.store).documents(state="quarantined"))
    if common.json:
        print_line(json_line([_value(record) for record in found]))
    elif not found:
        console().print("nothing is quarantined")
    else:
        console().print(_table(found))
    return None


@quarantine.command()
@click.argument("uri")
@common_options
def show(common: Common, uri: str) -> int | None:
    """Show all that is known of one quarantined document, by its source URI."""
    record = next(open_store(common.settings.store).documents([uri], state="quarantined"), None)
    if record is None:
        raise UsageError(f"{uri}: not quarantined; `docmill quarantine ls --json` lists the source URIs that are")
    if common.json:
        print_line(json_line(_value(record)))
        return None
    grid = Table.grid(padding=(0, 2))
    for name, value in _details(record).items():
        grid.add_row(name, Text(one_line(value)))
    console().print(grid)
    return None


def _value(record: DocumentRecord) -> dict[str, object]:
    return {
        "source_uri": record.source_uri,
        "stage": record.stage,
        "error": record.error,
        "reason": record.message,
        "page": record.page,
        "attempts": record.attempts,
        "fingerprint": record.fingerprint,
    }


def _details(record: DocumentRecord) -> dict[str, str]:
    details = {name: "" if value is None else str(value) for name, value in _value(record).items()}
    details["tried again"] = "by every run" if record.transient else "once the file, the settings or docmill change"
    details |= {"media type": record.media_type, "size": f"{record.size_bytes:,} bytes", "parent": record.parent or ""}
    for name, time in (("first seen", record.first_seen), ("last seen", record.last_seen)):
        details[name] = "" if time is None else time.isoformat(timespec="seconds")
    return {name: value for name, value in details.items() if value}


def _table(records: Sequence[DocumentRecord]) -> Table:
    groups: dict[str, list[DocumentRecord]] = {}
    for record in records:
        groups.setdefault(record.fingerprint or record.source_uri, []).append(record)
    table = Table("count", "stage", "error", "example", "reason", box=None, padding=(0, 2, 0, 0))
    for group in sorted(groups.values(), key=lambda group: (-len(group), group[0].source_uri)):
        first = group[0]
        name, reason = short_name(first.source_uri), one_line(first.message)
        table.add_row(str(len(group)), first.stage, first.error, Text(name, overflow="fold"), Text(reason))
    return table
