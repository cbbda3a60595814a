"""What was fetched, kept on disk: bytes by their hash, compressed, and one record a URL. Fetches nothing.

    bytes/ab/abcd....gz     a body, decoded; any number of URLs may have it
    pages/12/1234....gz     what is known of one URL, as JSON

Records are what conditional requests rest on, and bytes what reading a page again rests on. Files appear whole or not
at all, and a record that cannot be read counts as none: the page is fetched again.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from pipeline.errors import StoreError, Transient

PIECE = 1 << 20
LEVEL = 6
FRESH_S = 3600.0  # bytes that no record names are left alone for so long: a run may be about to write it


@dataclass(frozen=True, slots=True)
class Record:
    """One URL as it was last fetched. `links` are those of its own host, or all that a listing lists."""

    url: str
    sha256: str
    size_bytes: int
    kind: Literal["page", "listing", "file"] = "file"
    etag: str = ""
    modified: str = ""  # Last-Modified
    media_type: str = ""  # as the server said
    charset: str = ""
    name: str = ""
    redirects: tuple[str, ...] = ()  # URLs that led to it
    found_by: str = ""  # the source that it was found by
    links: tuple[str, ...] = ()
    listings: tuple[str, ...] = ()  # further listings that a listing names
    pictures: Mapping[str, str] = field(default_factory=dict)  # address on the page -> hash
    left_out: int = 0  # pictures that could not be fetched
    screenshots: tuple[str, ...] = ()  # hashes, from top to bottom, if a browser rendered it
    skip: str = ""  # why it is no document
    missed: int = 0  # runs in a row in which it was gone


class Kept:
    """The folder of one store. Written to by one run at a time; threads of that run may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def record(self, url: str) -> Record | None:
        """What is known of a URL; None without its bytes."""
        record = _read(self._page(url))
        return record if record is not None and record.url == url and self._has_bytes(record) else None

    def records(self) -> Iterator[Record]:
        """All of them, in no particular order."""
        for path in sorted(self.folder.glob("pages/*/*.gz")):
            if (record := _read(path)) is not None and self._has_bytes(record):
                yield record

    def put(self, record: Record) -> None:
        """Write a record, if it is not what is there already."""
        path = self._page(record.url)
        if _read(path) == record:
            return
        text = json.dumps(asdict(record), ensure_ascii=False, sort_keys=True)
        with _writable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._temporary() as file:
                file.write(gzip.compress(text.encode("utf-8", "backslashreplace"), LEVEL, mtime=0))
                file.close()
                Path(file.name).replace(path)

    def forget(self, urls: Iterable[str]) -> None:
        """Take records away; their bytes go with `clean`."""
        for url in urls:
            self._page(url).unlink(missing_ok=True)

    def body(self) -> Body:
        """A body that is about to come."""
        return Body(self.folder)

    def add(self, data: bytes) -> str:
        """Keep bytes that are there already; gives their hash."""
        with self.body() as body:
            body.write(data)
            return body.keep()

    def read(self, sha256: str) -> bytes:
        """Kept bytes as a whole. Raises `Transient` if they are not there or damaged."""
        try:
            return gzip.decompress(self._bytes(sha256).read_bytes())
        except (OSError, EOFError, zlib.error) as error:
            raise Transient("what was fetched is no longer kept; the next run will fetch it again") from error

    def unpack(self, sha256: str, to: Path) -> None:
        """Write kept bytes to a file. Raises `Transient` if they are not there or damaged."""
        digest = hashlib.sha256()
        try:
            with gzip.open(self._bytes(sha256), "rb") as source, to.open("wb") as target:
                while piece := source.read(PIECE):
                    digest.update(piece)
                    target.write(piece)
        except FileNotFoundError as error:
            raise Transient(
                f"{to.name}: what was fetched is no longer kept; the next run will fetch it again"
            ) from error
        except (OSError, EOFError, zlib.error) as error:
            self._bytes(sha256).unlink(missing_ok=True)
            raise Transient("what was kept is damaged; the next run will fetch it again") from error
        if digest.hexdigest() != sha256:
            self._bytes(sha256).unlink(missing_ok=True)
            raise Transient("what was kept is damaged; the next run will fetch it again")

    def clean(self) -> int:
        """Delete bytes that no record names, and what killed runs left; gives how many files went. Call it under the
        writer lock."""
        used: set[str] = set()
        for path in self.folder.glob("pages/*/*.gz"):
            if (record := _read(path)) is not None:
                used |= {record.sha256, *record.pictures.values(), *record.screenshots}
        old = time.time() - FRESH_S
        gone = [p for p in self.folder.glob("bytes/*/*.gz") if p.name.removesuffix(".gz") not in used]
        gone = [path for path in [*gone, *self.folder.glob("new-*")] if path.stat().st_mtime < old]
        for path in gone:
            path.unlink(missing_ok=True)
        return len(gone)

    def _has_bytes(self, record: Record) -> bool:
        return not record.sha256 or self._bytes(record.sha256).is_file()

    def _bytes(self, sha256: str) -> Path:
        return self.folder / "bytes" / sha256[:2] / f"{sha256}.gz"

    def _page(self, url: str) -> Path:
        name = hashlib.sha256(url.encode()).hexdigest()[:32]
        return self.folder / "pages" / name[:2] / f"{name}.gz"

    def _temporary(self) -> Any:
        return tempfile.NamedTemporaryFile(dir=self.folder, prefix="new-", delete=False)


class Overlay(Kept):
    """Keeps in `folder` and reads what `below` keeps as well, which stays as it is."""

    def __init__(self, folder: Path, below: Kept) -> None:
        super().__init__(folder)
        self._below = below

    def record(self, url: str) -> Record | None:
        return super().record(url) or self._below.record(url)

    def records(self) -> Iterator[Record]:
        return self._below.records()

    def _bytes(self, sha256: str) -> Path:
        own = super()._bytes(sha256)
        return own if own.is_file() else self._below._bytes(sha256)


class Body:
    """Bytes on their way to disk; nothing is kept unless `keep` was called. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def __enter__(self) -> Self:
        with _writable(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.NamedTemporaryFile(dir=self._folder, prefix="new-", delete=False)
            self._packed = gzip.GzipFile("", "wb", LEVEL, self._file, mtime=0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._packed.close()
        self._file.close()
        Path(self._file.name).unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        self._digest.update(data)
        self.size_bytes += len(data)
        with _writable(self._folder):
            self._packed.write(data)

    def keep(self) -> str:
        """The hash under which the bytes are kept from now on."""
        sha256 = self._digest.hexdigest()
        path = self._folder / "bytes" / sha256[:2] / f"{sha256}.gz"
        with _writable(self._folder):
            self._packed.close()
            self._file.close()
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                os.utime(path)  # fresh again
            else:
                Path(self._file.name).replace(path)
        return sha256


def _read(path: Path) -> Record | None:
    try:
        values = json.loads(gzip.decompress(path.read_bytes()))
        lists = {name: tuple(values[name]) for name in ("redirects", "links", "listings", "screenshots")}
        return Record(**{**values, **lists})
    except (OSError, EOFError, ValueError, TypeError, KeyError, zlib.error):
        return None


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path}: fetched pages cannot be kept there ({error.strerror or error}); run again"
        ) from error
