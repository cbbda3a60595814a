"""What is there, compared with the ledger. Reads both, writes neither."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Settings
from pipeline.ingest.fetch import digest_of
from pipeline.ingest.gone import LOOKUP, Missing, find_missing, groups
from pipeline.ingest.plan import IGNORED, Decision, Recipes, at_a_glance, decide, may_succeed
from pipeline.ingest.records import has_rows
from pipeline.sources.listing import discover, roots
from pipeline.sources.local import UNREADABLE_FOLDER
from pipeline.sources.web.urls import origin
from pipeline.store import Store
from pipeline.types import DocumentRecord, Found, Outline

if TYPE_CHECKING:
    from pipeline.sources.web.crawl import Crawl  # brings an HTTP library that files need not


@dataclass(frozen=True, slots=True)
class Listing:
    """The sources of a run, and the folders (URIs with a slash at the end) that they are all of."""

    name: str  # for messages
    found: Iterable[Found]
    roots: Sequence[str]
    gone: Container[str] | None = None  # None: whatever is known below the roots and was not found
    gone_pages: set[str] = field(default_factory=set)  # of the web; complete once all was found


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A source, what the ledger knows of it (None for what was clear without its record), and what is to be done."""

    found: Found
    before: DocumentRecord | None
    decision: Decision

    @property
    def is_work(self) -> bool:
        """True for what an ingest takes in hand: new documents, and rows of those that are skipped from now on, and of
        their attachments."""
        left_out = self.found.skip is not None and self.before is not None and _was_read(self.before)
        return self.decision.action == "work" or left_out


class Survey:
    """One pass over a listing; without a store everything is new.

    Of what is known below the listed folders it holds an outline, some 500 bytes a document, and looks only those up
    for which that is not enough: all of them with `records`.
    """

    def __init__(self, listing: Listing, store: Store | None, recipes: Recipes, *, records: bool = False) -> None:
        self._listing, self._store, self._recipes, self._records = listing, store, recipes, records
        self._with_hopes = frozenset(self._parents_with_hopes())
        self._closed: list[str] = []
        self._unseen = self._outlines(listing.roots)
        self._known = {root: sum(uri.startswith(root) for uri in self._unseen) for root in listing.roots}

    def groups(self) -> Iterator[list[Surveyed]]:
        """All sources in order, in groups."""
        for group in groups(iter(self._listing.found), LOOKUP):
            self._closed += [item.uri for item in group if (item.skip or "").startswith(UNREADABLE_FOLDER)]
            clear = {item.uri: decision for item in group if (decision := self._at_a_glance(item)) is not None}
            unclear = [item.uri for item in group if item.uri not in clear]
            records = self._store.documents(unclear) if self._store and unclear else ()
            known = {record.source_uri: record for record in records}
            yield [self._surveyed(item, known.get(item.uri), clear.get(item.uri)) for item in group]

    def missing(self) -> Iterator[Missing]:
        """What is gone below each root, once all groups were taken."""
        for root in self._listing.roots:
            yield find_missing(root, self._known[root], self._unseen, self._closed, self._is_gone)
        for site in sorted({origin(url) for url in self._listing.gone_pages}):
            pages = self._outlines([site])
            yield find_missing(site, len(pages), pages, (), self._listing.gone_pages.__contains__)

    def _outlines(self, prefixes: Sequence[str]) -> dict[str, Outline]:
        outlines = self._store.outlines(prefixes) if self._store else ()
        return {outline.source_uri: outline for outline in outlines}

    def _at_a_glance(self, found: Found) -> Decision | None:
        outline = self._unseen.pop(found.uri, None)
        if outline is None or self._records or found.uri in self._with_hopes:
            return None
        return at_a_glance(found, outline, self._recipes)

    def _surveyed(self, found: Found, before: DocumentRecord | None, clear: Decision | None) -> Surveyed:
        if clear is not None:
            return Surveyed(found, None, clear)
        decision = decide(found, before, self._recipes, digest_of(found, before))
        left = decision.action in ("unchanged", "skipped") and found.skip is None and decision.why != IGNORED
        if left and found.uri in self._with_hopes:
            decision = Decision("work", "retry")
        return Surveyed(found, before, decision)

    def _parents_with_hopes(self) -> Iterator[str]:
        """Sources with a quarantined attachment that may succeed now: it is read again with the file that it is in."""
        for record in self._store.documents(state="quarantined") if self._store else ():
            if record.parent is not None and may_succeed(record, self._recipes):
                yield record.source_uri.partition("!/")[0]

    def _is_gone(self, uri: str) -> bool:
        return self._listing.gone is None or uri in self._listing.gone


def _was_read(record: DocumentRecord) -> bool:
    return record.state != "deleted" and (has_rows(record) or bool(record.content_sha256))


def list_sources(specs: Sequence[str], settings: Settings, cwd: Path, crawl: Crawl | None = None) -> Listing:
    """The listing of sources as a person names them, with what `crawl` finds on the web. Raises `UsageError` for those
    that are not there."""
    found: Iterable[Found] = discover(specs, settings.sources, settings.limits, cwd=cwd)
    if crawl is None:
        return Listing(", ".join(specs), found, roots(specs, cwd=cwd))
    return Listing(", ".join(specs), chain(found, crawl.found()), roots(specs, cwd=cwd), gone_pages=crawl.gone)
