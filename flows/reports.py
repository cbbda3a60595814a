"""What an operator sees of a run in the Prefect UI: artifacts made from values, nothing else."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from pipeline.ingest import Summary


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
        f"{summary.discovered} discovered = {summary.indexed} indexed + {summary.unchanged} unchanged + "
        f"{summary.skipped} skipped + {summary.quarantined} quarantined"
    )


def summary_markdown(summary: Summary) -> str:
    """A small page: what became of the sources, and what the table holds now."""
    rows = "\n".join(f"| {modality} | {count:,} |" for modality, count in summary.rows.items())
    return (
        f"## Ingest\n\n{accounting_line(summary)}\n\n"
        f"Attachments: {summary.attachments}. Deleted: {summary.deleted}. "
        f"Rows: {summary.embedded:,} embedded, {summary.reused:,} reused. Seconds: {summary.seconds}. "
        f"Table version: {summary.table_version}.\n\n| modality | rows in the table |\n|---|---|\n{rows}\n"
    )
