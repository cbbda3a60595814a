"""Parsers: a blob's bytes to `Info`, `Page`, `Attachment` and `Failure` events, one page at a time.

A parser is a function `parse(blob, work_dir, options)` that yields events in document order and runs inside a
killable worker (`sandbox.py`). It writes pictures, page images and attachments as files below `work_dir` and yields
their paths, so that neither a worker nor its caller ever holds a whole document. It knows nothing of routing rules:
`options.decide` is the router, given as a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from pipeline.config import Limits
from pipeline.errors import Unsupported
from pipeline.types import Blob, Event, Route, Signals

PARSER_VERSION = "3"  # part of the recipe: raise it when parsers give other text, pictures or pages

PARSERS = {  # media type -> module with a function `parse`
    "application/pdf": "pipeline.parse.pdf",
    "text/html": "pipeline.parse.html",
    "application/xhtml+xml": "pipeline.parse.html",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "pipeline.parse.docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pipeline.parse.pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "pipeline.parse.xlsx",
    "application/vnd.oasis.opendocument.text": "pipeline.parse.odt",
    "application/epub+zip": "pipeline.parse.epub",
    "application/rtf": "pipeline.parse.rtf",
    "message/rfc822": "pipeline.parse.mail",
    "application/vnd.ms-outlook": "pipeline.parse.msg",
    "text/markdown": "pipeline.parse.markdown",
    "text/plain": "pipeline.parse.text",
    "text/csv": "pipeline.parse.delimited",
    "text/tab-separated-values": "pipeline.parse.delimited",
    "image/png": "pipeline.parse.image",
    "image/jpeg": "pipeline.parse.image",
    "image/tiff": "pipeline.parse.image",
    "image/webp": "pipeline.parse.image",
    "image/gif": "pipeline.parse.image",
    "image/bmp": "pipeline.parse.image",
}


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """What a parser may do and how pages are routed; picklable, so `decide` is a module-level function."""

    limits: Limits
    decide: Callable[[Signals], Route]
    dpi: int = 150
    passwords: tuple[str, ...] = ()
    first_page: int = 1  # pages before it are not yielded again (a document resumed after a crash)
    labels: Mapping[int, Route] = field(default_factory=dict)  # routes of pages that a person has decided

    def route(self, signals: Signals, number: int) -> Route:
        """The path of a page or frame: as a person said, else by the router."""
        return self.labels.get(number) or self.decide(signals)


def parse_document(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """All events of one document. Raises `Unsupported`, `Unreadable`, `PasswordNeeded` or `LimitExceeded`."""
    if (module := PARSERS.get(blob.media_type)) is None:
        raise Unsupported(f"{blob.name}: {blob.media_type} is not a format docmill parses")
    events: Iterator[Event] = import_module(module).parse(blob, work_dir, options)
    return events
