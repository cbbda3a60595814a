"""An object's bytes: streamed, counted and hashed. Holds one piece at a time; writes only the file it is told."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DocmillError, LimitExceeded, StoreError, Transient, Unreadable
from pipeline.sources.bucket import Place, entry_of, file_system, kind_of, place_of, words_of
from pipeline.types import Found

PIECE = 8 << 20  # bytes of one request


@dataclass(frozen=True, slots=True)
class Download:
    """What was read."""

    sha256: str
    size_bytes: int
    modified_at: dt.datetime | None


def download(found: Found, limit_bytes: int, to: Path | None = None) -> Download:
    """Read the object that was listed, into the file `to` if there is one.

    Every request asks for the revision that was listed, so the bytes are of one version. Raises `Transient` if it has
    changed, went away or cannot be reached, `Unreadable` without permission, `LimitExceeded` for more than
    `limit_bytes`, `StoreError` if `to` cannot be written.
    """
    place = place_of(found.uri)
    digest, size = hashlib.sha256(), 0
    with _edge(place):
        source = file_system(place.scheme).open(place.path, "rb", cache_type="none")
    with source:
        entry = entry_of(source, place)
        if entry.revision != found.revision:
            raise Transient(f"{place.name}: changed after it was listed or planned; the next run will take it")
        for piece in _pieces(source, place):
            size += len(piece)
            if size > limit_bytes:
                raise LimitExceeded(f"{place.name}: more than {limit_bytes / 1e6:,.0f} MB (limits.file_mb)")
            digest.update(piece)
            if to is not None:
                _append(to, piece)
    return Download(digest.hexdigest(), size, entry.modified_at)


def _pieces(source: Any, place: Place) -> Iterator[bytes]:
    while True:
        with _edge(place):
            piece: bytes = source.read(PIECE)
        if not piece:
            return
        yield piece


def _append(to: Path, piece: bytes) -> None:
    try:
        with to.open("ab") as file:
            file.write(piece)
    except OSError as error:
        raise StoreError(f"{to}: the download cannot be kept there ({error.strerror}); run again") from error


@contextmanager
def _edge(place: Place) -> Iterator[None]:
    try:
        yield
    except DocmillError:
        raise
    except Exception as error:
        kind, words = kind_of(error), words_of(error)
        if kind == "missing":
            raise Transient(f"{place.name}: went away after it was listed; the next run will look again") from error
        if kind == "denied":
            raise Unreadable(f"{place.name}: permission denied ({words}); check the credentials") from error
        raise Transient(f"{place.name}: cannot be read now ({words}); the next run will try again") from error
