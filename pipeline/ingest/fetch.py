"""A found source to a blob: its bytes on local disk, hashed and sniffed, or the failure or skip that says why not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from pipeline.config import Limits
from pipeline.errors import DocmillError, Permanent, Transient, Unreadable, to_failure
from pipeline.parse import PARSERS
from pipeline.parse.html_pictures import PICTURES, SCREENSHOT
from pipeline.parse.sniff import sniff
from pipeline.sources.download import download
from pipeline.sources.listing import is_object, is_web, name_of
from pipeline.sources.local import hash_file, was_written
from pipeline.sources.web.kept import Kept, Record
from pipeline.store import doc_id
from pipeline.types import Blob, DocumentRecord, Failure, Found, Prepared

DOWNLOADS = 8  # at a time
CLAIMS = {  # endings that promise a format docmill parses
    ".pdf", ".html", ".htm", ".docx", ".pptx", ".xlsx", ".odt", ".epub", ".rtf", ".eml", ".msg", ".md",
    ".txt", ".csv", ".tsv", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".gif", ".bmp",
}  # fmt: skip


def fetch_all(batch: Sequence[Found], folder: Path, limits: Limits, kept: Kept) -> list[Prepared]:
    """Every source fetched, in order; objects are downloaded below `folder`, a few at a time, and pages, which were
    fetched when they were listed, unpacked there."""
    if not any(is_object(found.uri) for found in batch):
        return [_fetch_any(found, folder, limits, kept) for found in batch]
    with ThreadPoolExecutor(DOWNLOADS, "download") as pool:
        return list(pool.map(lambda found: _fetch_any(found, folder, limits, kept), batch))


def fetch(found: Found) -> Prepared:
    """Hash and sniff one source whose bytes are in `found.path`. What docmill does not parse is skipped; what claims to
    be parsed, and is not what it claims, is a failure."""
    path = found.path or Path()
    blob = Blob(found.uri, path, "", found.size_bytes, "", name_of(found), modified_at=found.modified_at)
    if found.skip is not None:
        return Prepared(blob, found.revision, skip=found.skip)
    try:
        return _sniffed(replace(blob, sha256=_digest(path, blob.name, found.sha256)), found.revision)
    except (DocmillError, OSError) as error:
        return Prepared(blob, found.revision, failure=to_failure(error, "fetch"))


def why_skipped(media_type: str, name: str) -> str | None:
    """Why a file of this type is left out; None if it is parsed, and if its name says that it should be."""
    if media_type in PARSERS:
        return None
    if media_type == "application/x-empty":
        return "empty file"
    return None if Path(name).suffix.lower() in CLAIMS else f"not a format docmill parses ({media_type})"


def digest_of(found: Found, known: DocumentRecord | None) -> Callable[[], str]:
    """A function that hashes the source when it is called, and reads nothing where its size tells that it is not what
    is known; an unreadable one hashes to nothing, so that it is tried."""

    def digest() -> str:
        if is_web(found.uri):
            return found.revision.rpartition("-")[2]
        if known is not None and known.content_sha256 and known.size_bytes != found.size_bytes:
            return ""
        try:
            if is_object(found.uri):
                return download(found, found.size_bytes).sha256
            return hash_file(found.path) if found.path and found.path.is_file() else ""
        except (DocmillError, OSError):
            return ""

    return digest


def changed_since(blob: Blob, revision: str) -> Failure | None:
    """A transient failure if the file is no longer what was listed: it was written while it was read.

    A download is of the revision that was listed, whatever happened since.
    """
    if is_object(blob.uri) or is_web(blob.uri):
        return None
    try:
        written = was_written(blob.path, revision)
    except OSError as error:
        gone = Transient(f"{blob.name}: went away while it was read; the next run will look again")
        gone.__cause__ = error
        return to_failure(gone, "fetch")
    if not written:
        return None
    return to_failure(Transient(f"{blob.name}: changed while it was read; the next run will take it"), "fetch")


def _fetch_any(found: Found, folder: Path, limits: Limits, kept: Kept) -> Prepared:
    if found.skip is None and is_web(found.uri):
        return _unpack(found, folder, kept)
    return _download(found, folder, limits)


def _unpack(found: Found, folder: Path, kept: Kept) -> Prepared:
    """A page that was fetched, in a folder of its own with its pictures."""
    blob = Blob(found.uri, Path(), "", found.size_bytes, "", name_of(found), modified_at=found.modified_at)
    if found.failure is not None:
        return Prepared(blob, found.revision, failure=found.failure)
    try:
        record = kept.record(found.uri)
        if record is None:
            raise Transient(f"{blob.name}: what was fetched is no longer kept; the next run will fetch it again")
        path = unpacked(record, folder, kept)
        blob = replace(blob, path=path, sha256=record.sha256, charset=record.charset, metadata=_of_web(record))
        from pipeline.sources.web.crawl import found_of  # brings an HTTP library that files need not

        kept_as = found_of(record)  # `found` may be of a time when nothing was looked at
        blob = replace(
            blob, name=record.name or blob.name, size_bytes=record.size_bytes, modified_at=kept_as.modified_at
        )
        return _sniffed(blob, kept_as.revision)
    except (DocmillError, OSError) as error:
        return Prepared(blob, found.revision, failure=to_failure(error, "fetch"))


def unpacked(record: Record, folder: Path, kept: Kept) -> Path:
    """The kept body below `folder`; its pictures beside it, named by address in `PICTURES`. Raises `Transient`."""
    own = folder / f"{doc_id(record.url)}.source"
    own.mkdir(exist_ok=True)
    kept.unpack(record.sha256, own / "page")
    names: dict[str, str] = {}
    for number, (address, sha256) in enumerate(record.pictures.items()):
        try:
            kept.unpack(sha256, own / f"picture-{number}")
            names[address] = f"picture-{number}"
        except Transient:
            continue
    for number, sha256 in enumerate(record.screenshots, 1):
        kept.unpack(sha256, own / f"{SCREENSHOT}-{number:02d}.png")
    (own / PICTURES).write_text(json.dumps(names), encoding="utf-8")
    return own / "page"


def _of_web(record: Record) -> dict[str, str]:
    """What a document's metadata says of how it was fetched."""
    hops = [*record.redirects, record.url]
    downgraded = any(one.startswith("https:") and two.startswith("http:") for one, two in pairwise(hops))
    found = {"redirected_from": " -> ".join(record.redirects), "downgraded_to_http": "yes" if downgraded else ""}
    found["pictures_left_out"] = str(record.left_out or "")
    return {key: value for key, value in found.items() if value}


def _download(found: Found, folder: Path, limits: Limits) -> Prepared:
    """An object's bytes lie in a folder of their own: documents may name pictures beside them, not other documents."""
    if found.skip is not None or not is_object(found.uri):
        return fetch(found)
    path = folder / f"{doc_id(found.uri)}.source" / "object"
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)  # what an attempt that was cut short left there
    blob = Blob(found.uri, path, "", found.size_bytes, "", name_of(found), modified_at=found.modified_at)
    try:
        done = download(found, limits.file_mb * 1_000_000, path)
        modified_at = found.modified_at or done.modified_at
        blob = replace(blob, sha256=done.sha256, size_bytes=done.size_bytes, modified_at=modified_at)
        return _sniffed(blob, found.revision)
    except (Permanent, Transient) as error:
        return Prepared(blob, found.revision, failure=to_failure(error, "fetch"))


def _sniffed(blob: Blob, revision: str) -> Prepared:
    """Raises `DocmillError` or `OSError` for what cannot be read."""
    blob = replace(blob, media_type=sniff(blob.path, blob.name))
    if (reason := why_skipped(blob.media_type, blob.name)) is not None:
        return Prepared(blob, revision, skip=reason)
    if blob.media_type in PARSERS:
        return Prepared(blob, revision)
    broken = Unreadable(f"{blob.name}: named {Path(blob.name).suffix}, but its bytes are {blob.media_type}")
    return Prepared(blob, revision, failure=to_failure(broken, "fetch"))


def _digest(path: Path, name: str, planned: str | None) -> str:
    """The file's hash; raises `Transient` if a plan said another one, so that nothing is taken that nobody has seen."""
    if planned is not None and not path.is_file():
        raise Transient(f"{name}: changed since the plan was made (the file is gone); plan again")
    digest = hash_file(path)
    if planned not in (None, digest):
        raise Transient(f"{name}: changed since the plan was made; plan again, or ingest it without a manifest")
    return digest
