"""From the names that people give right answers to documents and pages of the store, and from rows back to these."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from urllib.parse import unquote

from pipeline.errors import UsageError
from pipeline.evaluate.judgements import Query
from pipeline.store import Store, sql_literal
from pipeline.types import Modality

PAGE = re.compile(r"(?P<document>.+)#(?:page=|p\.?)?(?P<page>\d+)")
GROUP = 500
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Place:
    """A document, or one page of it."""

    source_uri: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A query with its answers as places. `missing` names those that are not in the store: nothing can find them.

    `kinds` are the kinds of rows that its answers have.
    """

    query: Query
    grades: Mapping[Place, float]
    missing: Mapping[str, float] = field(default_factory=dict)
    kinds: frozenset[Modality] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)  # what the judgements call an answer, by its label

    @property
    def relevant(self) -> dict[str, float]:
        """Grades by name; nothing is ever called what a missing answer is called."""
        there = {label(place): grade for place, grade in self.grades.items()}
        return there | {f"?{name}": grade for name, grade in self.missing.items()}

    def units(self, rows: Iterable[Place]) -> list[str]:
        """The ranked rows as documents, or as pages where an answer is a page, each once, at its first place."""
        by_page = any(place.page is not None for place in self.grades)
        return list(dict.fromkeys(label(self._unit(row, by_page)) for row in rows))

    def _unit(self, row: Place, by_page: bool) -> Place:
        document = Place(row.source_uri)
        return document if not by_page or document in self.grades else row


def label(place: Place) -> str:
    """How a place is written: `URI` or `URI#PAGE`."""
    return place.source_uri if place.page is None else f"{place.source_uri}#{place.page}"


class Names:
    """Finds documents by what people call them: the source URI, the end of its path, or the file's name without
    its ending."""

    def __init__(self, uris: Iterable[str]) -> None:
        self._uris: set[str] = set()
        self._by_name: dict[str, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}
        for uri in uris:
            self._uris.add(uri)
            name = _last(uri)
            self._by_name.setdefault(name, []).append(uri)
            stem = PurePosixPath(name).stem
            for called in {stem, unquote(stem)}:  # a file that was unpacked is called by its id, percent-encoded
                self._by_stem.setdefault(called, []).append(uri)

    def place(self, name: str) -> Place | None:
        """The document or page of this name, `NAME#PAGE`; None if there is none. Raises `UsageError` if it is
        one of several."""
        uri = self._uri(name)
        if uri is not None:
            return Place(uri)
        found = PAGE.fullmatch(name)
        uri = self._uri(found["document"]) if found else None
        return Place(uri, int(found["page"])) if found and uri is not None else None

    def _uri(self, name: str) -> str | None:
        if name in self._uris:
            return name
        path = name.removeprefix("./")
        called = self._by_name.get(path.rstrip("/").rsplit("/", 1)[-1], ())  # as it is on disk
        named = [uri for uri in called if _ends_with(unquote(uri), path)]
        named = named or [uri for uri in self._by_name.get(_last(path), ()) if _ends_with(uri, path)]
        for several in (named, self._by_stem.get(path, [])):
            if len(several) > 1:
                shown = ", ".join(unquote(uri) for uri in several[:SHOWN])
                raise UsageError(
                    f"the answer {name[:100]!r} is the name of {len(several)} documents ({shown}); write more of the "
                    "path"
                )
            if several:
                return several[0]
        return None


def judged(store: Store, queries: Sequence[Query]) -> list[Judged]:
    """The queries with their answers as places of the store. Raises `UsageError` if it holds none of the answers."""
    names = Names(held.source_uri for held in store.documents_held().values())
    found = []
    for query in queries:
        places = {name: names.place(name) for name in query.answers}
        there = {place: query.answers[name] for name, place in places.items() if place is not None}
        missing = {name: query.answers[name] for name, place in places.items() if place is None}
        called = {label(place): name for name, place in places.items() if place is not None}
        found.append(Judged(query, there, missing, names=called))
    if not any(one.grades for one in found):
        first = next(iter(queries[0].answers))
        raise UsageError(
            f"{store.uri}: none of the answers is in it (the first of {sum(len(q.answers) for q in queries):,}: "
            f"{first[:100]!r}); an answer is the name of a document, such as report.pdf, or of a page, report.pdf#3"
        )
    return list(_with_kinds(store, found))


def _with_kinds(store: Store, found: Sequence[Judged]) -> Iterator[Judged]:
    kinds: dict[Place, set[Modality]] = {}
    uris = sorted({place.source_uri for one in found for place in one.grades})
    for start in range(0, len(uris), GROUP):
        wanted = ", ".join(map(sql_literal, uris[start : start + GROUP]))
        for row in store.some(f"source_uri IN ({wanted})", ["source_uri", "page", "modality"], 10_000_000):
            for place in (Place(row["source_uri"]), Place(row["source_uri"], row["page"])):
                kinds.setdefault(place, set()).add(row["modality"])
    for one in found:
        own: set[Modality] = set().union(*(kinds.get(place, set()) for place in one.grades))
        yield replace(one, kinds=frozenset(own))


class Rows:
    """Where rows stand, by id; each is asked for once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Place] = {}

    def places(self, ids: Sequence[str]) -> list[Place]:
        """The places of rows, in order; rows that are gone by now are left out."""
        new = [id for id in dict.fromkeys(ids) if id not in self._known]
        for start in range(0, len(new), GROUP):
            wanted = ", ".join(map(sql_literal, new[start : start + GROUP]))
            for row in self._store.some(f"id IN ({wanted})", ["id", "source_uri", "page"], GROUP):
                self._known[row["id"]] = Place(row["source_uri"], row["page"])
        return [self._known[id] for id in ids if id in self._known]


def _last(uri: str) -> str:
    """The last part of a path or URI, as people write it."""
    return unquote(uri.rstrip("/").rsplit("/", 1)[-1])


def _ends_with(uri: str, path: str) -> bool:
    return uri == path or uri.endswith("/" + path.lstrip("/"))
