"""The quarantine of a store as the Prefect UI shows it: one line for each kind of failure, with its cure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from prefect.artifacts import create_table_artifact

from pipeline.store import Store
from pipeline.types import DocumentRecord

SHOWN = 200  # kinds of failure in the table


@dataclass(slots=True)
class Group:
    """Documents that failed in the same way."""

    first: DocumentRecord
    count: int = 0


def publish_quarantine(store: Store, config: str | None = None) -> None:
    """A table of all that is in quarantine now; none if nothing is. `config` is the settings file of the run."""
    groups = group(store.documents(state="quarantined"))
    if not groups:
        return
    count = sum(one.count for one in groups)
    rows = [_row(one, store.uri, config) for one in groups[:SHOWN]]
    more = f"; the {SHOWN} most frequent of {len(groups)} kinds" if len(groups) > SHOWN else ""
    create_table_artifact(rows, key="quarantine", description=f"In quarantine: {count:,}{more}")


def group(records: Iterable[DocumentRecord]) -> list[Group]:
    """By fingerprint, the most frequent first."""
    groups: dict[str, Group] = {}
    for record in records:
        groups.setdefault(record.fingerprint or record.source_uri, Group(record)).count += 1
    return sorted(groups.values(), key=lambda one: (-one.count, one.first.source_uri))


def retry_command(record: DocumentRecord, store: str, config: str | None = None) -> str:
    """What has all documents of this kind tried again, at once.

    >>> retry_command(DocumentRecord("file:///a", "a", "quarantined", fingerprint="f1"), "my store")
    "docmill quarantine retry --now --store 'my store' --fingerprint f1"
    """
    what = ["--fingerprint", record.fingerprint] if record.fingerprint else [record.source_uri]
    settings = ["--config", config] if config else []
    return shlex.join(["docmill", "quarantine", "retry", "--now", "--store", store, *settings, *what])


def _row(one: Group, store: str, config: str | None) -> dict[str, object]:
    first = one.first
    return {
        "documents": one.count,
        "try again with": retry_command(first, store, config),
        "reason": first.message,
        "stage": first.stage,
        "error": first.error,
        "page": first.page,
        "example": unquote(first.source_uri),
        "fingerprint": first.fingerprint,
    }
