"""A plan frozen in a file: JSON Lines, a header and then one line a document, with the hash that it must still have.

The header counts the lines, so that a file that was cut short can be told from a whole one.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from pipeline.errors import UsageError
from pipeline.ingest.survey import Listing
from pipeline.sources.listing import check_uri, is_object, look_up
from pipeline.types import Found

Line = TypeVar("Line")
VERSION = 1
STRICT = ConfigDict(extra="forbid", strict=True)
PlannedAction = Literal["new", "changed", "retry", "unchanged", "skipped", "quarantined", "gone"]


@checked_dataclass(frozen=True, slots=True, config=STRICT)
class Entry:
    """One document. `sha256` is None where nothing is read and for objects, whose `revision` says what is to be read;
    "" for a file that could not be read. `skip` says why a source was left out when it was listed."""

    uri: str
    action: PlannedAction
    sha256: str | None = None
    size: int = 0
    revision: str = ""
    skip: str | None = None


@checked_dataclass(frozen=True, slots=True, config=STRICT)
class Header:
    """What a manifest was made from and for; `roots` are the folders that were listed as a whole."""

    created: str
    sources: list[str]
    store: str
    recipe: str
    roots: list[str]
    documents: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    refresh: bool = False  # stale documents are to be done again
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that was read to its end and found whole; its entries stay on disk."""

    path: Path
    header: Header

    def entries(self) -> Iterator[Entry]:
        """The documents in order, streamed. Raises `UsageError` that names the line."""
        with _opened(self.path) as lines:
            next(lines)
            for number, line in enumerate(lines, 2):
                yield _parse(ENTRY, line, f"{self.path} line {number}")

    def check(self, store: str, recipe: str) -> None:
        """Raise `UsageError` unless it was made for this store and these settings."""
        where = f"{self.path} line 1"
        if self.header.store != store:
            raise UsageError(f"{where}: the plan is for the store {self.header.store}, not for {store}; plan again")
        if self.header.recipe != recipe:
            raise UsageError(f"{where}: the plan was made with other settings, models or docmill; plan again")

    def listing(self) -> Listing:
        """Its documents as they are now, each with the hash it must have; what is there again is not gone."""
        gone = frozenset(entry.uri for entry in self.entries() if entry.action == "gone")
        back = {uri for uri in gone if look_up(uri).revision}
        found = (_as_found(entry) for entry in self.entries() if entry.action != "gone")
        return Listing(str(self.path), found, self.header.roots, gone - back)


ENTRY, HEADER = TypeAdapter(Entry), TypeAdapter(Header)


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest. Raises `UsageError`, in one line with the number of the line, for what is no whole
    manifest or names a document twice."""
    with _opened(path) as lines:
        header = _parse(HEADER, next(lines, ""), f"{path} line 1")
        if header.version != VERSION:
            raise UsageError(f"{path} line 1: version {header.version}; this docmill reads {VERSION}: plan again")
        seen: set[str] = set()
        number = 1
        for number, line in enumerate(lines, 2):
            entry = _parse(ENTRY, line, f"{path} line {number}")
            if entry.uri in seen:
                raise UsageError(f"{path} line {number}: {entry.uri} is there twice; plan again")
            _check(entry, f"{path} line {number}")
            seen.add(entry.uri)
    if len(seen) != header.documents:
        raise UsageError(
            f"{path} line {number}: ends after {len(seen)} of {header.documents} documents; it is damaged, plan again"
        )
    return Manifest(path, header)


class ManifestWriter:
    """Takes entries as they come; the file appears, whole, when the block of `writing` ends."""

    def __init__(self, path: Path, body: IO[str]) -> None:
        self._path, self._body = path, body
        self.documents = 0
        self.header: Header | None = None

    def add(self, entry: Entry) -> None:
        with _writable(self._path):
            self._body.write(_line(entry) + "\n")
        self.documents += 1

    def finish(self, header: Header, counts: Mapping[str, int]) -> None:
        """Say what the entries are of; without this the file is not written."""
        self.header = replace(header, documents=self.documents, counts=dict(counts))


@contextmanager
def writing(path: Path) -> Iterator[ManifestWriter]:
    """A writer for a manifest at `path`, which is replaced in one step. Raises `UsageError` if it cannot be written."""
    with _writable(path):
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        body = tempfile.TemporaryFile("w+", encoding="utf-8", dir=path.absolute().parent)  # noqa: SIM115
    with body:
        writer = ManifestWriter(path, body)
        yield writer
        if writer.header is not None:
            with _writable(path):
                body.seek(0)
                _replace(path, writer.header, body)


def store_name(store: str) -> str:
    """A store's setting as one name, wherever it is said: a URI as it is, a folder as its absolute path."""
    if "://" in store and not store.startswith("file://"):
        return store
    return str(Path(store.removeprefix("file://")).resolve())


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: the manifest cannot be written ({error.strerror or error})") from error


def _replace(path: Path, header: Header, body: IO[str]) -> None:
    folder = path.absolute().parent
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, prefix=".manifest-", delete=False) as file:
        try:
            file.write(_line(header) + "\n")
            shutil.copyfileobj(body, file)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _line(value: Entry | Header) -> str:
    return json.dumps(asdict(value), ensure_ascii=True)


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[str]]:
    try:
        with path.open(encoding="utf-8") as file:
            yield iter(file)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"{path}: the manifest cannot be read ({reason})") from error


def _parse(adapter: TypeAdapter[Line], line: str, where: str) -> Line:
    try:
        return adapter.validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        reason = f"{name}: {first['msg']}" if name else str(first["msg"])
        raise UsageError(f"{where}: not a line of a manifest ({reason[:200]}); plan again") from error


def _check(entry: Entry, where: str) -> None:
    try:
        check_uri(entry.uri)
    except UsageError as error:
        raise UsageError(f"{where}: {error}; plan again") from error


def _as_found(entry: Entry) -> Found:
    """A file as it is now, with the hash it must have; an object as it was then: only that revision is read."""
    if is_object(entry.uri):
        return Found(entry.uri, entry.revision, entry.size, None, skip=entry.skip, pinned=True)
    found = look_up(entry.uri)
    if entry.skip is not None:
        return replace(found, revision=entry.revision, skip=entry.skip)
    return replace(found, sha256=entry.sha256)
