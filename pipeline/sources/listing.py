"""The one place that tells files of this machine, objects and web pages apart: what is there, what a URI names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from pipeline.config import Limits, Sources
from pipeline.errors import UsageError
from pipeline.sources import local, named, objects
from pipeline.sources.bucket import file_system, is_object
from pipeline.sources.specs import expand
from pipeline.sources.web import urls
from pipeline.sources.web.urls import is_web
from pipeline.types import Found

__all__ = ["check_uri", "discover", "is_object", "is_web", "look_up", "name_of", "pages", "roots", "spec_of"]


@dataclass(frozen=True, slots=True)
class Specs:
    """Specs by where they lead."""

    files: tuple[str, ...]
    objects: tuple[str, ...]
    pages: tuple[str, ...]  # canonical URLs


def discover(specs: Sequence[str], settings: Sources, limits: Limits, *, cwd: Path) -> Iterator[Found]:
    """All that `specs` name, lazily, each once: first the files of this machine, then objects; pages are crawled.

    Raises `UsageError` before anything is listed, as `local.discover` and `objects.discover` say.
    """
    split = _split(specs, cwd)
    files = local.discover(split.files, settings, limits, cwd=cwd)
    return chain(files, objects.discover(split.objects, settings, limits) if split.objects else ())


def roots(specs: Sequence[str], cwd: Path) -> list[str]:
    """Canonical URIs, with a slash at the end, of the folders that are listed as a whole."""
    split = _split(specs, cwd)
    return local.roots(split.files, cwd) + (objects.roots(split.objects) if split.objects else [])


def pages(specs: Sequence[str], cwd: Path) -> tuple[str, ...]:
    """Canonical URLs of what is to be fetched from the web. Raises `UsageError` for what is no fetchable URL."""
    return _split(specs, cwd).pages


def look_up(uri: str) -> Found:
    """The source of a canonical URI as it is now; one that is not there has no revision and no size.

    Of a web page nothing is known without fetching it: it counts as there.
    """
    if is_web(uri):
        return Found(uri, "not looked at", 0, None)
    return objects.look_up(uri) if is_object(uri) else named.look_up(uri)


def check_uri(uri: str) -> None:
    """Raise `UsageError` for what is no canonical URI of a source, or needs a package that is not installed."""
    if is_object(uri):
        file_system(uri.partition("://")[0])
    elif is_web(uri):
        urls.canonical(uri)
    elif not uri.startswith("file://"):
        raise UsageError(f"{uri[:200]} is no file of this machine and no object")


def name_of(found: Found) -> str:
    """Its file name, for people and for what a name says of a format."""
    if is_web(found.uri):
        return urls.name_of(found.uri)
    return found.path.name if found.path else objects.name_of(found.uri)


def spec_of(uri: str) -> str:
    """What to type for the source of a canonical URI."""
    if is_web(uri):
        return uri
    return objects.spec_of(uri) if is_object(uri) else str(named.path_of(uri))


def _split(specs: Sequence[str], cwd: Path) -> Specs:
    plain = list(expand(specs, cwd))
    files = tuple(spec for spec in plain if not is_object(spec) and not is_web(spec))
    web = dict.fromkeys(urls.canonical(spec) for spec in plain if is_web(spec))
    return Specs(files, tuple(spec for spec in plain if is_object(spec)), tuple(web))
