"""`docmill quarantine`: documents that could not be read, grouped by what was wrong with them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from cli.ingest import ingest_now
from cli.output import Common, common_options, console, json_line, one_line, print_line, short_name, warn
from pipeline.errors import UsageError
from pipeline.ingest.by_hand import choose, ignored, list_ignored, to_retry
from pipeline.sources.listing import look_up, spec_of
from pipeline.sources.local import uri_of
from pipeline.store import open_store
from pipeline.types import DocumentRecord


@click.group()
def quarantine() -> None:
    """Documents that could not be read, and why."""


@quarantine.command()
@click.option("--ignored", "only_ignored", is_flag=True, help="List the documents that are ignored by hand instead.")
@common_options
def ls(common: Common, only_ignored: bool) -> int | None:
    """List quarantined documents, one line for each kind of failure.

    With --json one list with an object for each document: source_uri, stage, error, reason, page, attempts,
    fingerprint. Documents with the same fingerprint failed in the same way.
    """
    store = open_store(common.settings.store)
    found = list_ignored(store) if only_ignored else list(store.documents(state="quarantined"))
    if common.json:
        print_line(json_line([_value(record) for record in found]))
    elif not found:
        console().print(f"nothing is {'ignored by hand' if only_ignored else 'quarantined'}")
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


@quarantine.command()
@click.argument("uris", nargs=-1, metavar="[URI|FILE]...")
@click.option("--fingerprint", metavar="F", help="All documents that failed in this way.")
@click.option("--all", "everything", is_flag=True, help="All quarantined documents.")
@click.option("--now", "at_once", is_flag=True, help="Ingest exactly these files now.")
@common_options
def retry(
    common: Common, uris: tuple[str, ...], fingerprint: str | None, everything: bool, at_once: bool
) -> int | None:
    """Have documents tried again, quarantined or ignored by hand, whatever the ledger says of them.

    The next ingest that comes upon them works on them; the command for exactly these files is printed. An attachment is
    read with the file that it is in. With --json one object with retry (source URIs) and command; with --now what
    `docmill ingest` prints.
    """
    _check_choice(uris, fingerprint, everything)
    store = open_store(common.settings.store)
    with store.writer():
        chosen = choose(store, [_as_uri(uri) for uri in uris], fingerprint)
        store.record(marked := to_retry(store, chosen))
    files = [record.source_uri for record in marked if record.parent is None]
    there = [spec_of(uri) for uri in files if look_up(uri).revision]
    if len(there) < len(files):
        warn(f"{len(files) - len(there)} of {len(files)} files are gone: an ingest of their folder will delete them")
    if at_once and there:
        return ingest_now(common, there, overrides={})
    command = shlex.join(["docmill", "ingest", *_options(common), *there]) if there else None
    if common.json:
        print_line(json_line({"retry": [record.source_uri for record in chosen], "command": command}))
    elif not chosen:
        console().print("nothing is quarantined")
    else:
        console().print(f"{len(chosen)} to be tried again by the next ingest of their folders, or now by")
        print_line(command or "nothing: no file of them is there")
    return None


@quarantine.command()
@click.argument("uris", nargs=-1, metavar="[URI|FILE]...")
@click.option("--fingerprint", metavar="F", help="All documents that failed in this way.")
@common_options
def ignore(common: Common, uris: tuple[str, ...], fingerprint: str | None) -> int | None:
    """Take documents out of quarantine without reading them: they count as skipped until their content changes.

    `docmill quarantine ls --ignored` lists them, `docmill quarantine retry` takes it back. Rows of an earlier good
    version stay. With --json one object with ignored (source URIs).
    """
    _check_choice(uris, fingerprint, everything=False)
    store = open_store(common.settings.store)
    with store.writer():
        chosen = choose(store, [_as_uri(uri) for uri in uris], fingerprint)
        store.record([ignored(record) for record in chosen])
    if common.json:
        print_line(json_line({"ignored": [record.source_uri for record in chosen]}))
    else:
        console().print(f"{len(chosen)} ignored until their content changes")
    return None


def _check_choice(uris: Sequence[str], fingerprint: str | None, everything: bool) -> None:
    if bool(uris) + (fingerprint is not None) + everything != 1:
        raise UsageError("say which documents, in one way: by their URIs, by --fingerprint, or with `retry --all`")


def _as_uri(name: str) -> str:
    """A source URI as it is; anything else is the path of a file."""
    if "://" in name:
        return name
    path = Path.cwd() / name
    return uri_of(path.parent.resolve() / path.name)


def _options(common: Common) -> list[str]:
    given = (("--store", common.store), ("--config", common.config))
    return [part for name, value in given if value is not None for part in (name, str(value))]


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
    details["tried again"] = _tried_again(record)
    details |= {"media type": record.media_type, "size": f"{record.size_bytes:,} bytes", "parent": record.parent or ""}
    for name, time in (("first seen", record.first_seen), ("last seen", record.last_seen)):
        details[name] = "" if time is None else time.isoformat(timespec="seconds")
    return {name: value for name, value in details.items() if value}


def _tried_again(record: DocumentRecord) -> str:
    if record.by_hand == "retry":
        return "by the next run"
    return "by every run" if record.transient else "once the file, the settings or docmill change"


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
