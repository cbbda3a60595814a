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
        digest = _digest(path, found.sha256)
        media_type = sniff(path, path.name)
    except (DocmillError, OSError) as error:
        return Prepared(blob, found.revision, failure=to_failure(error, "fetch"))
    blob = Blob(found.uri, path, digest, found.size_bytes, media_type, path.name, modified_at=found.modified_at)
    if (reason := why_skipped(media_type, path.name)) is not None:
        return Prepared(blob, found.revision, skip=reason)
    if media_type not in PARSERS:
        broken = Unreadable(f"{path.name}: named {path.suffix}, but its bytes are {media_type}")
        return Prepared(blob, found.revision, failure=to_failure(broken, "fetch"))
    return Prepared(blob, found.revision)


def why_skipped(media_type: str, name: str) -> str | None:
    """Why a file of this type is left out; None if it is parsed, and if its name says that it should be."""
    if media_type in PARSERS:
        return None
    if media_type == "application/x-empty":
        return "empty file"
    return None if Path(name).suffix.lower() in CLAIMS else f"not a format docmill parses ({media_type})"


def digest_of(found: Found) -> Callable[[], str]:
    """A function that hashes the source when it is called; an unreadable one hashes to nothing, so that it is tried."""

    def digest() -> str:
        try:
            return hash_file(found.path) if found.path and found.path.is_file() else ""
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


def _digest(path: Path, planned: str | None) -> str:
    """The file's hash; raises `Transient` if a plan said another one, so that nothing is taken that nobody has seen."""
    if planned is not None and not path.is_file():
        raise Transient(f"{path.name}: changed since the plan was made (the file is gone); plan again")
    digest = hash_file(path)
    if planned not in (None, digest):
        raise Transient(f"{path.name}: changed since the plan was made; plan again, or ingest it without a manifest")
    return digest
