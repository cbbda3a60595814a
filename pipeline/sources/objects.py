"""Objects of a bucket as sources: which there are, by the same rules as files. Reads no object's content to list it.

A folder is what its keys say: all that begins with its name and a slash. Ignore files in a bucket do not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from pipeline.config import Limits, Sources
from pipeline.errors import UsageError
from pipeline.sources.bucket import Entry, Place, entries, is_object, listing, place_of, split, stat, uri_of
from pipeline.sources.glob import MAGIC, matches, split_glob
from pipeline.sources.ignore import Rules, rules_of, size_reason
from pipeline.types import Found

__all__ = ["discover", "is_object", "look_up", "roots", "spec_of"]


@dataclass(frozen=True, slots=True)
class Target:
    """One spec, looked up: an object, or a folder (its key empty or with a slash at its end) with a glob or without."""

    spec: str
    place: Place
    entry: Entry | None = None
    glob: tuple[str, ...] = ()


def discover(specs: Sequence[str], settings: Sources, limits: Limits) -> Iterator[Found]:
    """Every object that `specs` (objects, folders, globs) name, lazily, in order of keys within each spec, each once.

    What is left out comes too, with the reason in `skip`, as for files. Raises `UsageError`, before anything is listed,
    for what is not there, for a wrong bucket or credentials and for a glob that matches nothing; `Transient` without
    a connection. A folder with a slash at its end may be empty.
    """
    targets = [_target(spec) for spec in specs]
    walker = Walker(rules_of(settings), limits, frozenset(uri_of(t.place) for t in targets if t.entry))
    for target in targets:
        if target.glob and next(walker.walk(target), None) is None:
            raise UsageError(f"{target.spec}: no object matches")
    return _each_once(targets, walker)


def roots(specs: Sequence[str]) -> list[str]:
    """Canonical URIs, with a slash at the end, of the folders that are listed as a whole."""
    targets = [_target(spec) for spec in specs]
    return list(dict.fromkeys(uri_of(t.place) for t in targets if t.entry is None and not t.glob))


def look_up(uri: str) -> Found:
    """The object of a canonical URI as it is now; one that is not there has no revision and no size."""
    place = place_of(uri)
    with listing(uri):
        entry = stat(place)
    return _found(place, entry) if isinstance(entry, Entry) else Found(uri, "", 0, None)


def name_of(uri: str) -> str:
    """The last part of an object's key."""
    return place_of(uri).name


def spec_of(uri: str) -> str:
    """What to type for the object of a canonical URI."""
    place = place_of(uri)
    return f"{place.scheme}://{place.path}"


@dataclass(frozen=True, slots=True)
class Walker:
    """Walks targets by one set of rules; `named` are URIs of the objects that were asked for by their own name."""

    rules: Rules
    limits: Limits
    named: frozenset[str]

    def walk(self, target: Target) -> Iterator[Found]:
        if target.entry is not None:
            yield self._object(target.place, target.entry, None)
            return
        closed = ""
        with listing(target.spec):
            for entry in entries(target.place):
                if closed and entry.key.startswith(closed):
                    continue
                place = replace(target.place, key=entry.key)
                relative = entry.key[len(target.place.key) :]
                named = uri_of(place) in self.named
                folder, why = ("", None) if named else self._closed(relative)
                if why is not None:
                    closed = target.place.key + folder
                    if why != "hidden" and matches(_parts(folder), target.glob):
                        yield Found(uri_of(replace(place, key=closed)), "", 0, None, None, why)
                elif matches(_parts(relative), target.glob):
                    yield self._object(place, entry, None if named else self.rules.reason(relative))

    def _closed(self, relative: str) -> tuple[str, str | None]:
        """The first folder on the way that is left out, with a slash at its end, and why."""
        end = relative.find("/")
        while end >= 0:
            folder = relative[:end]
            why = self.rules.reason(folder, is_folder=True) if folder.rpartition("/")[2] else None
            if folder.endswith(".lance"):
                why = "a table of a docmill store"
            if why is not None:
                return folder + "/", why
            end = relative.find("/", end + 1)
        return "", None

    def _object(self, place: Place, entry: Entry, reason: str | None) -> Found:
        return replace(_found(place, entry), skip=reason or size_reason(entry.size_bytes, self.limits))


def _found(place: Place, entry: Entry) -> Found:
    return Found(uri_of(place), entry.revision, entry.size_bytes, entry.modified_at)


def _each_once(targets: Sequence[Target], walker: Walker) -> Iterator[Found]:
    seen: set[str] = set()
    for target in targets:
        for found in walker.walk(target):
            if found.uri not in seen:
                yield found
            if len(targets) > 1:  # one spec never lists an object twice
                seen.add(found.uri)


def _target(spec: str) -> Target:
    """Looked up as it was typed and then, for a URI that docmill printed, without its percent signs."""
    place = split(spec)
    if not place.bucket or MAGIC & set(place.bucket):
        raise UsageError(f"{spec}: name a bucket, such as {place.scheme}://bucket/folder/")
    with listing(spec):
        next(entries(replace(place, key=_fixed(place.key))), None)  # tells whether the bucket can be listed at all
        for key in dict.fromkeys((place.key, unquote(place.key))):
            target = _there(spec, replace(place, key=key))
            if target is not None:
                return target
    folder, glob = split_glob(place.key)
    if glob:
        return Target(spec, replace(place, key="" if folder == "." else folder + "/"), glob=glob)
    if place.key.endswith("/"):
        return Target(spec, place)
    raise UsageError(f"{spec}: no such object or folder; a folder that may be empty ends with a slash")


def _there(spec: str, place: Place) -> Target | None:
    if not place.key or place.key.endswith("/"):
        there = not place.key or next(entries(place), None) is not None
        return Target(spec, place) if there else None
    entry = stat(place)
    if entry == "folder":
        return Target(spec, replace(place, key=place.key + "/"))
    return Target(spec, place, entry) if isinstance(entry, Entry) else None


def _fixed(key: str) -> str:
    """What comes before the first `*`, `?` or `[`."""
    return key[: next((at for at, letter in enumerate(key) if letter in MAGIC), len(key))]


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part)
