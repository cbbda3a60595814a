"""What an operator sees of an ingest in the Prefect UI: artifacts made from values, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from pipeline.ingest.accounts import Summary

MB = 1_000_000


class ProgressArtifact:
    """A bar that moves with the batches of a run; none for a run without work."""

    def __init__(self, batches: int) -> None:
        self._batches = batches
        self._id: UUID | None = None
        if batches:
            artifact: Any = create_progress_artifact(0.0, key="ingest-progress", description="Batches written")
            self._id = artifact

    def update(self, done: int) -> None:
        if self._id is not None:
            update_progress_artifact(self._id, progress=100.0 * done / self._batches)


def publish_summary(summary: Summary) -> None:
    """The accounting line and the counts as Markdown, the slowest documents and the failures as tables."""
    create_markdown_artifact(summary_markdown(summary), key="ingest-summary", description=accounting_line(summary))
    slowest = [{"seconds": seconds, "document": unquote(uri)} for seconds, uri in summary.slowest]
    if slowest:
        create_table_artifact(slowest, key="ingest-slowest", description="Slowest documents to parse")
    failures = [
        {"document": unquote(r.source_uri), "stage": r.stage, "error": r.error, "page": r.page, "reason": r.message}
        for r in summary.failures
    ]
    if failures:
        create_table_artifact(failures, key="ingest-failures", description="Quarantined in this run")


def accounting_line(summary: Summary) -> str:
    """The line that must add up."""
    return (
        f"{summary.discovered:,} discovered = {summary.indexed:,} indexed + {summary.unchanged:,} unchanged + "
        f"{summary.skipped:,} skipped + {summary.quarantined:,} quarantined"
    )


def summary_markdown(summary: Summary) -> str:
    """A small page: what became of the sources, what was read of them and how fast, and what the table holds now."""
    pages = sum(summary.routes.values())
    seconds = max(summary.seconds, 0.01)
    facts = {
        "sources that were read": _counts(summary.why),
        "pages by route": _counts(summary.routes),
        "speed": f"{pages:,} pages in {summary.seconds:,} s: {pages / seconds:.1f} pages a second",
        "read": f"{summary.bytes / MB:,.1f} MB: {summary.bytes / MB / seconds:.2f} MB a second",
        "beside the sources": f"{summary.attachments:,} attachments, {summary.deleted:,} deleted",
        "rows of this run": f"{summary.embedded:,} embedded, {summary.reused:,} reused",
        "OCR": f"{summary.pages_read:,} pages read, {summary.readings_reused:,} taken from earlier runs",
        "rows in the table": _counts(summary.rows),
        "table version": f"{summary.table_version}",
    }
    if summary.notes:
        facts["to know"] = "; ".join(summary.notes)
    if summary.stale:
        facts["stale"] = f"{summary.stale:,} made by other settings or an older docmill; `--refresh` makes them again"
    return f"## Ingest\n\n{accounting_line(summary)}\n\n{markdown_table(('', ''), facts)}"


def markdown_table(head: tuple[str, str], facts: Mapping[str, str]) -> str:
    """Two columns; what would break a cell is made harmless.

    >>> print(markdown_table(("a", "b"), {"x": "1 | 2"}))
    | a | b |
    |---|---|
    | x | 1 \\| 2 |
    <BLANKLINE>
    """
    rows = "".join(f"| {cell(name)} | {cell(value)} |\n" for name, value in facts.items())
    return f"| {head[0]} | {head[1]} |\n|---|---|\n{rows}"


def cell(text: str) -> str:
    """Text of a document or an error in one cell: on one line, with nothing in it that Markdown or HTML acts upon.

    >>> cell("a|b\\n<img src=x> [c](d)")
    'a\\\\|b &lt;img src=x&gt; \\\\[c\\\\](d)'
    """
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{letter}" if letter in "|[]" else letter for letter in text)


def _counts(counts: Mapping[str, int]) -> str:
    present = {name: count for name, count in counts.items() if count}
    return ", ".join(f"{count:,} {name}" for name, count in present.items()) or "none"
