"""The edge to object stores: buckets by scheme, what is in them, their errors. Applies no rules of what to take.

Amazon S3 and what speaks its protocol is tested; the other schemes run through the same code of fsspec.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import quote, unquote

from pipeline.errors import DocmillError, Transient, UsageError
from pipeline.s3_environment import S3Place, s3_place

PACKAGES = {  # scheme -> what fsspec imports for it, and what to install
    "s3": ("s3fs", "docmill[s3]"),
    "gs": ("gcsfs", "gcsfs"),
    "az": ("adlfs", "adlfs"),
}
PAGE = 1000  # objects that one request lists
TIMEOUTS = {"connect_timeout": 5, "read_timeout": 30, "retries": {"mode": "standard", "max_attempts": 3}}
ETAGS = ("ETag", "etag", "md5Hash", "content_md5")  # what the stores call it
DENIED = ("Credential", "Authentication", "ProfileNotFound")  # in the names of the libraries' errors
MODIFIED = ("LastModified", "last_modified", "updated")


@dataclass(frozen=True, slots=True)
class Place:
    """An object, or with a slash at the end of its key all that begins with it."""

    scheme: str
    bucket: str
    key: str

    @property
    def path(self) -> str:
        """As fsspec names it."""
        return f"{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        return self.key.rstrip("/").rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Entry:
    """An object as it was listed."""

    key: str
    size_bytes: int
    revision: str
    modified_at: dt.datetime | None


def is_object(spec: str) -> bool:
    """True if the spec or URI names something in an object store."""
    return spec.partition("://")[0] in PACKAGES and "://" in spec


def uri_of(place: Place) -> str:
    """The canonical URI, percent-encoded as those of files are.

    >>> uri_of(Place("s3", "bucket", "été!.pdf"))
    's3://bucket/%C3%A9t%C3%A9%21.pdf'
    """
    return f"{place.scheme}://{place.bucket}/{quote(place.key, safe='/')}"


def place_of(uri: str) -> Place:
    """What a canonical URI names.

    >>> place_of("s3://bucket/a%20b/c.pdf").key
    'a b/c.pdf'
    """
    typed = split(uri)
    return Place(typed.scheme, typed.bucket, unquote(typed.key))


def split(spec: str) -> Place:
    """The parts of a spec as it was typed."""
    scheme, _, rest = spec.partition("://")
    bucket, _, key = rest.partition("/")
    return Place(scheme, bucket, key)


def file_system(scheme: str) -> Any:
    """The fsspec file system. Raises `UsageError` if its package is not installed."""
    return _file_system(scheme, s3_place(os.environ))


def stat(place: Place) -> Entry | Literal["folder"] | None:
    """The object, "folder" if there are only keys below the name, None if there is nothing."""
    try:
        info = file_system(place.scheme).info(place.path)
    except FileNotFoundError:
        return None
    return _entry(place.bucket, info) if info["type"] == "file" else "folder"


def entries(place: Place) -> Iterator[Entry]:
    """All objects whose key begins with the place's key, lazily, in order of their keys, without folder markers."""
    for info in _infos(file_system(place.scheme), place):
        if info["type"] == "file" and not info["name"].endswith("/"):
            yield _entry(place.bucket, info)


def entry_of(file: Any, place: Place) -> Entry:
    """What an open file of fsspec is a copy of."""
    return _entry(place.bucket, file.details)


@contextmanager
def listing(spec: str) -> Iterator[None]:
    """Turn what goes wrong inside the block into a `UsageError` (bucket, credentials) or a `Transient`."""
    try:
        yield
    except DocmillError:
        raise
    except Exception as error:
        kind, words = kind_of(error), words_of(error)
        if kind == "missing":
            raise UsageError(f"{spec}: there is no such bucket ({words}); check its name and the endpoint") from error
        if kind == "denied":
            raise UsageError(f"{spec}: access denied ({words}); check the credentials in the environment") from error
        raise Transient(f"{spec}: cannot be listed ({words}); check the endpoint and the connection") from error


def kind_of(error: Exception) -> Literal["missing", "denied", "broken"]:
    """What an error of fsspec, or of the library below it, means."""
    if isinstance(error, FileNotFoundError):
        return "missing"
    denied = isinstance(error, PermissionError) or any(sign in type(error).__name__ for sign in DENIED)
    return "denied" if denied else "broken"


def words_of(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]


@lru_cache(maxsize=8)
def _file_system(scheme: str, s3: S3Place) -> Any:
    module, install = PACKAGES[scheme]
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if scheme == "s3":
        region = {"region_name": s3.region} if s3.region else {}
        options |= {"endpoint_url": s3.endpoint, "client_kwargs": region, "config_kwargs": TIMEOUTS}
    try:
        import fsspec

        return fsspec.filesystem(scheme, **options)
    except ImportError as error:
        raise UsageError(f"{scheme}:// needs the package {module}: pip install '{install}'") from error


def _infos(files: Any, place: Place) -> Iterator[Mapping[str, Any]]:
    if place.scheme == "s3":
        yield from _pages(files, place)
    else:
        found = files.find(place.path.rstrip("/"), detail=True)
        yield from (found[name] for name in sorted(found))


def _pages(files: Any, place: Place) -> Iterator[Mapping[str, Any]]:
    """Page by page: s3fs's public calls hold a whole listing."""
    from fsspec.asyn import sync

    listed = files._iterdir(place.bucket, delimiter="", prefix=place.key)
    while page := sync(files.loop, _take, listed):
        yield from page


async def _take(listed: AsyncIterator[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    page: list[Mapping[str, Any]] = []
    async for info in listed:
        page.append(info)
        if len(page) == PAGE:
            break
    return page


def _entry(bucket: str, info: Mapping[str, Any]) -> Entry:
    size = int(info["size"])
    modified = _first(info, MODIFIED)
    if isinstance(modified, str):
        modified = dt.datetime.fromisoformat(modified)
    etag = _first(info, ETAGS) or modified
    key = info["name"].removeprefix(f"{bucket}/")
    return Entry(key, size, f"{size}-{str(etag).strip(chr(34))}", modified)


def _first(info: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((info[name] for name in names if info.get(name)), None)
