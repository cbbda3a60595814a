"""A found source to a blob: its bytes hashed and sniffed, or the failure or skip that says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.errors import DocmillError, Transient, Unreadable, to_failure
from pipeline.parse import PARSERS
from pipeline.parse.sniff import sniff
from pipeline.sources.local import hash_file, revision_of
from pipeline.types import Blob, Failure, Found, Prepared

CLAIMS = {  # endings that promise a format docmill parses
    ".pdf", ".html", ".htm", ".docx", ".pptx", ".xlsx", ".odt", ".epub", ".rtf", ".eml", ".msg", ".md",
    ".txt", ".csv", ".tsv", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".gif", ".bmp",
}  # fmt: skip


def fetch(found: Found) -> Prepared:
    """Hash and sniff one local source. What docmill does not parse is skipped; what claims to be parsed, and is not
    what it claims, is a failure."""
    path = found.path or Path()
    blob = Blob(found.uri, path, "", found.size_bytes, "", path.name, modified_at=found.modified_at)
    if found.skip is not None:
        return Prepared(blob, found.revision, skip=found.skip)
    try:
        digest, media_type = hash_file(path), sniff(path, path.name)
    except (DocmillError, OSError) as error:
        return Prepared(blob, found.revision, failure=to_failure(error, "fetch"))
    blob = Blob(found.uri, path, digest, found.size_bytes, media_type, path.name, modified_at=found.modified_at)
    if media_type in PARSERS:
        return Prepared(blob, found.revision)
    if media_type == "application/x-empty":
        return Prepared(blob, found.revision, skip="empty file")
    if path.suffix.lower() in CLAIMS:
        broken = Unreadable(f"{path.name}: named {path.suffix}, but its bytes are {media_type}")
        return Prepared(blob, found.revision, failure=to_failure(broken, "fetch"))
    return Prepared(blob, found.revision, skip=f"not a format docmill parses ({media_type})")


def digest_of(found: Found) -> Callable[[], str]:
    """A function that hashes the source when it is called; an unreadable one hashes to nothing, so that it is tried."""

    def digest() -> str:
        try:
            return hash_file(found.path) if found.path else ""
        except (DocmillError, OSError):
            return ""

    return digest


def changed_since(blob: Blob, revision: str) -> Failure | None:
    """A transient failure if the file is no longer what was listed: it was written while it was read."""
    try:
        now = revision_of(blob.path)
    except OSError as error:
        gone = Transient(f"{blob.name}: went away while it was read; the next run will look again")
        gone.__cause__ = error
        return to_failure(gone, "fetch")
    if now == revision:
        return None
    return to_failure(Transient(f"{blob.name}: changed while it was read; the next run will take it"), "fetch")
