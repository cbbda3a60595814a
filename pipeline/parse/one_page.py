"""One page of a document and no more, for a page that is a query."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.parse import ParseOptions, parse_document
from pipeline.types import Blob, Event, Failure, Info, Page


def parse(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """What the document says of itself, and the page `options.first_page` or why it cannot be had."""
    for event in parse_document(blob, work_dir, options):
        if isinstance(event, Info | Page | Failure):
            yield event
        if isinstance(event, Page | Failure):
            return
