"""The one place that tells files of this machine from objects: what is there, and what its URI names."""

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
from pipeline.types import Found

__all__ = ["check_uri", "discover", "is_object", "look_up", "name_of", "roots", "spec_of"]


@dataclass(frozen=True, slots=True)
class Specs:
    """Specs by where they lead."""

    files: tuple[str, ...]
    objects: tuple[str, ...]


def discover(specs: Sequence[str], settings: Sources, limits: Limits, *, cwd: Path) -> Iterator[Found]:
    """All that `specs` name, lazily, each once: first the files of this machine, then objects.

    Raises `UsageError` before anything is listed, as `local.discover` and `objects.discover` say.
    """
    split = _split(specs, cwd)
    files = local.discover(split.files, settings, limits, cwd=cwd)
    return chain(files, objects.discover(split.objects, settings, limits) if split.objects else ())


def roots(specs: Sequence[str], cwd: Path) -> list[str]:
    """Canonical URIs, with a slash at the end, of the folders that are listed as a whole."""
    split = _split(specs, cwd)
    return local.roots(split.files, cwd) + (objects.roots(split.objects) if split.objects else [])


def look_up(uri: str) -> Found:
    """The source of a canonical URI as it is now; one that is not there has no revision and no size."""
    return objects.look_up(uri) if is_object(uri) else named.look_up(uri)


def check_uri(uri: str) -> None:
    """Raise `UsageError` for what is no canonical URI of a source, or needs a package that is not installed."""
    if is_object(uri):
        file_system(uri.partition("://")[0])
    elif not uri.startswith("file://"):
        raise UsageError(f"{uri[:200]} is no file of this machine and no object")


def name_of(found: Found) -> str:
    """Its file name, for people and for what a name says of a format."""
    return found.path.name if found.path else objects.name_of(found.uri)


def spec_of(uri: str) -> str:
    """What to type for the source of a canonical URI."""
    return objects.spec_of(uri) if is_object(uri) else str(named.path_of(uri))


def _split(specs: Sequence[str], cwd: Path) -> Specs:
    plain = list(expand(specs, cwd))
    return Specs(tuple(s for s in plain if not is_object(s)), tuple(s for s in plain if is_object(s)))
