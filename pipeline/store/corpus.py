"""A docmill store: one database with the corpus, its ledger and its assets. Everything outside talks to `Store`."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pipeline.errors import ModelMismatch, NotAStore, StoreBusy, StoreError, UsageError
from pipeline.store import indexes, legs, look, query, switch, unsettled, upkeep
from pipeline.store.assets import Assets, TokenCounts
from pipeline.store.commit import replace_rows
from pipeline.store.edge import translated
from pipeline.store.labels import Labels, RouteLabel
from pipeline.store.ledger import Ledger
from pipeline.store.lock import NOTES, OURS, writer_lock
from pipeline.store.look import Chosen, Listing, Order, PageOutline, PageRows, RoutedPage
from pipeline.store.query import Held, PageCounts, PageVectors, RowVectors
from pipeline.store.rowfile import RowFile
from pipeline.store.schema import CORPUS, DOCUMENTS, TABLES, Columns, Models, clean
from pipeline.store.shards import Listed, WorkLists
from pipeline.store.switch import Filled, Label, Names, VectorSet, VectorSets
from pipeline.store.tables import Tables
from pipeline.store.where import sql_literal
from pipeline.types import DocumentRecord, Modality, ModelId, Outline, Route

LOCK_WAIT_S = 10.0
FILL_ROWS = 256  # given another vector in one commit
SCHEMES = ("s3://", "gs://", "az://")


def open_store(
    uri: str,
    *,
    create: Models | None = None,
    wait_s: float = LOCK_WAIT_S,
    waiting: Callable[[str], None] | None = None,
) -> Store:
    """The store at `uri`, a folder or an object-store URI (credentials from the environment).

    With `create` it is made on demand and pinned to these models; while another process is at it this one waits, up to
    `wait_s` seconds, and `waiting` is told for whom. Raises `UsageError` if it is not there, `NotAStore`
    if something else is, `ModelMismatch` if it was made with other models, `StoreError` if it cannot be read or made.
    """
    uri = unquote(uri.removeprefix("file://")) if uri.startswith("file:///") else uri
    uri = uri.rstrip("/") if "://" in uri else uri
    with translated(uri, "open the store"):
        _check_place(uri, create is not None)
        tables = Tables(uri)
        if create is not None:
            _make(uri, tables, create, wait_s, waiting)
        if not tables.exists(CORPUS):
            raise UsageError(_missing(uri))
        sets = switch.read_sets(tables)
        models, tables.columns = sets.live.models, sets.live.columns
    if create is not None and create != models:
        raise ModelMismatch(_mismatch(uri, models, create))
    return Store(uri, tables, models)


def _make(uri: str, tables: Tables, models: Models, wait_s: float, waiting: Callable[[str], None] | None) -> None:
    """Make what is missing; another run may be at it, and may go on to write to the store for long."""
    until = time.monotonic() + wait_s
    while not _is_whole(tables):
        try:
            with writer_lock(uri, 1.0, waiting):
                tables.create(models)
        except StoreBusy:
            if time.monotonic() > until:
                raise
            waiting = None  # it was told once


def find_store(uri: str, models: Models) -> Store | None:
    """The store at `uri`, or None if there is none yet. Writes nothing.

    Raises `NotAStore` if something else is there, `ModelMismatch` if it was made with other models.
    """
    try:
        store = open_store(uri)
    except UsageError:
        return None
    if store.models != models:
        raise ModelMismatch(_mismatch(uri, store.models, models))
    return store


class Store:
    """An open store. Reads see the newest commit; writes belong inside `writer()`."""

    def __init__(self, uri: str, tables: Tables, models: Models) -> None:
        self.uri, self.models = uri, models
        self._tables, self._ledger, self._assets = tables, Ledger(tables), Assets(tables)
        self._lists, self._labels = WorkLists(tables), Labels(tables)

    def version(self) -> int:
        """Version of the corpus; it counts commits."""
        with translated(self.uri, "read the store"):
            return self._tables.version(CORPUS)

    def snapshot(self) -> Store:
        """The same store to be searched, its corpus as it now is: whatever is committed later, its answers agree."""
        with translated(self.uri, "read the store"):
            return Store(self.uri, self._tables.pinned(), self.models)

    # writing --------------------------------------------------------------------------------------------------

    def writer(
        self, timeout_s: float = LOCK_WAIT_S, waiting: Callable[[str], None] | None = None
    ) -> AbstractContextManager[None]:
        """The exclusive lock of all writes. Raises `StoreBusy` if another process holds it for `timeout_s` seconds;
        `waiting` is told who holds it, if that takes longer than a moment."""
        return writer_lock(self.uri, timeout_s, waiting)

    def replace(self, rows: RowFile | None, doc_ids: Sequence[str]) -> int:
        """The rows of these documents become exactly those of the file, in one commit; without rows they are deleted.

        Pictures are stored before that commit, those that nothing refers to any more are dropped after it. Returns the
        version of the corpus. Raises `StoreError` if the file has rows of other documents; nothing is written then.
        """
        with translated(self.uri, "write rows"):
            kept = self._pictures(rows, set(doc_ids))
            before = self._assets.ids(doc_ids)
            if rows is not None:
                self._assets.add((asset, *kept[asset]) for asset in kept if asset not in before)
            self._check_in_force()
            if doc_ids:
                replace_rows(self._tables, rows, doc_ids)
            self._assets.drop(before - kept.keys())
        return self.version()

    def record(self, records: Sequence[DocumentRecord]) -> None:
        """Insert or overwrite ledger rows by `source_uri`, in one commit. Call it after the corpus rows are written."""
        with translated(self.uri, "write the ledger"):
            self._ledger.record(records)

    @contextmanager
    def settling(self, run_id: str) -> Iterator[None]:
        """Around the rows of a batch and their ledger records: a run that is cut short inside leaves a mark.

        It tells the next run that the books may be wrong even where their sums agree.
        """
        with translated(self.uri, "mark the store"):
            unsettled.mark(self._tables, run_id)
        yield
        self.settle([run_id])

    def unsettled(self) -> list[str]:
        """Ids of the runs that were cut short between rows and ledger, until `settle` takes their marks away."""
        with translated(self.uri, "read the marks of the store"):
            return unsettled.marks(self._tables)

    def settle(self, run_ids: Sequence[str]) -> None:
        with translated(self.uri, "mark the store"):
            unsettled.unmark(self._tables, run_ids)

    def set_frequencies(self, counted: TokenCounts) -> None:
        with translated(self.uri, "write the token counts"):
            self._assets.write_counts(counted, self._tables.columns.multivector)

    def refresh_indexes(self, *, merge: bool = False) -> None:
        """Make the indexes cover all rows and merge many small files. Without anything new it writes nothing; with
        `merge` it merges even a few."""
        with translated(self.uri, "refresh the indexes"):
            indexes.refresh(self._tables, merge)

    def drop_unused_assets(self) -> int:
        """Delete pictures that no row shows; gives how many there were.

        None in an object store: another machine may have stored them for rows that it is about to write.
        """
        if "://" in self.uri:
            return 0
        with translated(self.uri, "clear the pictures"):
            return upkeep.drop_unused_assets(self._tables, self._assets)

    def memory_needed(self) -> int:
        """Bytes that `refresh_indexes` with `merge` takes at its peak, estimated from the size of the corpus."""
        with translated(self.uri, "read the store"):
            return upkeep.memory_needed(self._tables)

    def remove_old_versions(self, keep: dt.timedelta) -> int:
        """Delete versions of the tables older than `keep`, save tagged ones, with their files; gives how many.

        In a local store files of commits that were cut short go as well. A reader that still holds a version that is
        deleted fails: keep them longer than any search takes.
        """
        with translated(self.uri, "remove old versions"):
            return upkeep.remove_old_versions(self._tables, keep, alone="://" not in self.uri)

    def set_note(self, name: str, content: bytes) -> None:
        """Keep some bytes of our own in the store, in place of what had this name."""
        with translated(self.uri, "write a note"):
            self._assets.write_note(name, content)

    def set_tag(self, name: str) -> None:
        """The tag names the newest version of each table from now on; upkeep keeps versions with a tag."""
        with translated(self.uri, "set a tag"):
            upkeep.set_tag(self._tables, name)

    # vectors of another model ----------------------------------------------------------------------------------

    @property
    def sets(self) -> VectorSets:
        """Which models' vectors the table has now."""
        with translated(self.uri, "read the store"):
            return switch.read_sets(self._tables)

    def of_set(self, target: VectorSet) -> Store:
        """The same store, read by another set of vectors that it has."""
        tables = Tables(self.uri)
        tables.columns = target.columns
        return Store(self.uri, tables, target.models)

    def begin_set(self, models: Models, live: Names, coming: Names) -> VectorSets:
        """Tag the table, and make room for the vectors of other models. Searches do not see them."""
        with translated(self.uri, "make room for other vectors"):
            upkeep.set_tag(self._tables, switch.TAG)
            return switch.begin(self._tables, models, live, coming)

    def count_missing(self, target: VectorSet) -> dict[Modality, int]:
        """Rows by modality that have vectors in force and none of the target's."""
        with translated(self.uri, "read the corpus"):
            return switch.count_missing(self._tables, self.sets, target)

    def to_fill(
        self, target: VectorSet, doc_ids: Collection[str] | None = None, size: int = FILL_ROWS
    ) -> Iterator[list[dict[str, Any]]]:
        """Content of the rows that have vectors in force and none of the target's, in groups, streamed."""
        with translated(self.uri, "read the corpus"):
            yield from switch.to_fill(self._tables, self.sets, target, doc_ids, size)

    def fill(self, target: VectorSet, filled: Sequence[Filled]) -> int:
        """Write vectors of the target in one commit; those of rows that were written anew since are left out. Gives how
        many were written."""
        with translated(self.uri, "write vectors"):
            return switch.fill(self._tables, target, self.sets.live.columns, filled)

    def switch_sets(self, now: dt.datetime) -> VectorSets:
        """The next vectors are in force from one commit on. Who opened the store before goes on with the old ones."""
        with translated(self.uri, "switch to the other vectors"):
            return switch.switch(self._tables, now)

    def write_sets(self, sets: VectorSets) -> None:
        with translated(self.uri, "write the note of the vectors"):
            switch.write_sets(self._tables, sets)

    def to_label(self, size: int = FILL_ROWS) -> Iterator[list[dict[str, Any]]]:
        """Rows that do not name the models of this store, in groups, streamed."""
        with translated(self.uri, "read the corpus"):
            yield from switch.to_label(self._tables, self.models, size)

    def label(self, labels: Sequence[Label]) -> None:
        with translated(self.uri, "write the names of models"):
            switch.label(self._tables, self.models, labels)

    def long_passages(self, doc_ids: Sequence[str], budget: int) -> set[str]:
        """Those of the documents of which a passage has more tokens than that."""
        with translated(self.uri, "read the corpus"):
            return query.long_passages(self._tables, doc_ids, budget)

    def drop_set(self, columns: Columns, sets: VectorSets) -> None:
        """Forget vectors that are not in force, and the tag; `sets` is what is left."""
        with translated(self.uri, "drop vectors"):
            switch.drop(self._tables, columns, sets)
            upkeep.remove_tag(self._tables, switch.TAG)

    def restore_tag(self) -> None:
        """The corpus becomes what it was before the last move to other models began."""
        with translated(self.uri, "restore the tag"):
            switch.restore(self._tables)

    def mark_unsettled(self, run_id: str) -> None:
        """The next run is to compare the books document by document."""
        with translated(self.uri, "mark the store"):
            unsettled.mark(self._tables, run_id)

    def _check_in_force(self) -> None:
        if switch.read_sets(self._tables).live.columns != self._tables.columns:
            raise StoreError(f"{self.uri}: was switched to another model while this run was at work; run it again")

    # work lists -----------------------------------------------------------------------------------------------

    def add_shards(self, run_id: str, listed: Iterable[Listed], now: dt.datetime) -> None:
        """Write down which sources each shard of a run takes. No writer lock is needed for work lists."""
        with translated(self.uri, "write the work lists"):
            self._lists.add(run_id, listed, now)

    def note_shard(self, run_id: str, shard: int, counts: dict[str, int], now: dt.datetime) -> None:
        """Note what a shard did."""
        with translated(self.uri, "write the work lists"):
            self._lists.done(run_id, shard, counts, now)

    def shards(self, run_id: str, shard: int | None = None) -> list[Listed]:
        """The sources of one shard of a run, or of all."""
        with translated(self.uri, "read the work lists"):
            return list(self._lists.read(run_id, shard))

    def shard_counts(self, run_id: str) -> list[dict[str, int]]:
        """What the shards of a run noted."""
        with translated(self.uri, "read the work lists"):
            return list(self._lists.counts(run_id))

    def drop_shards(self, run_id: str) -> None:
        with translated(self.uri, "write the work lists"):
            self._lists.drop(run_id)

    # reading --------------------------------------------------------------------------------------------------

    def documents(
        self, uris: Sequence[str] | None = None, *, state: str | None = None, prefix: str | None = None
    ) -> Iterator[DocumentRecord]:
        """Ledger rows that meet all given conditions, in order of `source_uri`, streamed."""
        with translated(self.uri, "read the ledger"):
            yield from self._ledger.read(uris, state, prefix)

    def outlines(self, prefixes: Sequence[str]) -> Iterator[Outline]:
        """What is known of the sources below one of the prefixes, attachments left out, streamed in no order."""
        with translated(self.uri, "read the ledger"):
            yield from self._ledger.outlines(prefixes)

    def choose(
        self, where: str | None = None, since: dt.datetime | None = None, until: dt.datetime | None = None
    ) -> Iterator[DocumentRecord]:
        """Ledger rows by a user's filter over the ledger's columns, and by the time of their last change, or of their
        first sight where no change is known: from `since` on, before `until`. Streamed, in order of `source_uri`.
        Raises `UsageError` for a filter that cannot be read."""
        with translated(self.uri, "read the ledger"):
            yield from self._ledger.choose(where, since, until)

    def of_run(self, run_id: str) -> Iterator[DocumentRecord]:
        """Ledger rows that a run wrote last, streamed, in order of `source_uri`."""
        with translated(self.uri, "read the ledger"):
            yield from self._ledger.of_run(run_id)

    def count_of_run(self, run_id: str) -> int:
        """How many sources, attachments left out, a run wrote last."""
        with translated(self.uri, "read the ledger"):
            return self._ledger.count_of_run(run_id)

    def routes(self) -> Iterator[tuple[str, int | None, Route, str]]:
        """(doc_id, page, route, signals) of every row that has signals, streamed in no order."""
        with translated(self.uri, "read the corpus"):
            yield from query.routes(self._tables)

    def copies(self, contents: Sequence[str]) -> Iterator[DocumentRecord]:
        """Ledger rows of indexed documents whose bytes have one of these SHA-256 hashes, streamed."""
        with translated(self.uri, "read the ledger"):
            yield from self._ledger.copies(contents)

    def count(self) -> dict[Modality, int]:
        """Number of corpus rows by modality."""
        with translated(self.uri, "read the corpus"):
            return query.count(self._tables)

    def ledger_counts(self) -> dict[str, int]:
        """Number of corpus rows by modality as the ledger says; what `count` gives if the books are right."""
        with translated(self.uri, "read the ledger"):
            return self._ledger.row_counts()

    def stale(self, recipe: str) -> int:
        """Number of indexed documents that another recipe made."""
        with translated(self.uri, "read the ledger"):
            return self._ledger.stale(recipe)

    def documents_held(self) -> dict[str, Held]:
        """What the corpus holds of every document with rows, by `doc_id`."""
        with translated(self.uri, "read the corpus"):
            return query.documents_held(self._tables)

    def rows(self, source_uri: str | None = None) -> Iterator[dict[str, Any]]:
        """All rows, or one document's, without vectors, streamed in document order from one version of the table.

        The order is source, page (rows without one last), text before picture before page, ordinal.
        """
        where = None if source_uri is None else f"source_uri = {sql_literal(clean(source_uri))}"
        with translated(self.uri, "read the corpus"):
            yield from query.rows(self._tables, where)

    def some(self, where: str, columns: Sequence[str], limit: int) -> list[dict[str, Any]]:
        """Some columns of at most `limit` rows for which this holds, in no particular order."""
        with translated(self.uri, "read the corpus"):
            return query.some(self._tables, where, columns, limit)

    def fetch(self, ids: Sequence[str], columns: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
        """Rows by id, with these columns or all but the vectors; ids that are not there are left out."""
        with translated(self.uri, "read the corpus"):
            return query.fetch(self._tables, ids, columns)

    def nearest(
        self, vector: Any, *, modality: Modality, k: int, where: str | None = None, only: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """(id, cosine similarity) of the rows next to a (dim,) vector, best first, filtered before they are ranked;
        with `only` among the rows with these ids."""
        with translated(self.uri, "search the corpus"):
            return legs.nearest(self._tables, vector, modality, k, legs.user_filter(self._tables, where), only)

    def count_pages(self, where: str | None = None) -> int:
        """Number of page rows that meet a condition."""
        with translated(self.uri, "read the corpus"):
            return legs.count_pages(self._tables, legs.user_filter(self._tables, where))

    def page_counts(self, most: int) -> PageCounts:
        """How many vectors pages have, and would have without pooling: of all, or of `most` if there are more."""
        with translated(self.uri, "read the corpus"):
            return query.page_counts(self._tables, most)

    def nearest_pages(
        self, vectors: Any, *, k: int, where: str | None = None, probes: int = 32
    ) -> list[tuple[str, float]]:
        """(id, MaxSim sum) of pages for (tokens, dim) unit vectors, best first, filtered before they are ranked.

        Exact up to a thousand pages; above that as an approximate index estimates it from `probes` of its partitions,
        for candidates that are to be scored.
        """
        with translated(self.uri, "search the corpus"):
            return legs.nearest_pages(self._tables, vectors, k, legs.user_filter(self._tables, where), probes)

    def match(
        self, text: str, *, k: int, modality: Modality | None = None, where: str | None = None
    ) -> list[tuple[str, float]]:
        """(id, BM25 score) of rows with some of these words, best first. The text is words, never query syntax."""
        with translated(self.uri, "search the corpus"):
            return legs.match(self._tables, text, modality, k, legs.user_filter(self._tables, where))

    def match_phrases(
        self, text: str, phrases: Sequence[str], *, k: int, modality: Modality | None = None, where: str | None = None
    ) -> list[tuple[str, float]]:
        """(id, BM25 score) of rows that have every phrase in these very words, best first by phrases and `text`.

        Case, accents and punctuation do not count. A phrase that is all of words which the index leaves out ("to be or
        not to be") is looked for in all texts, and its rows have the score 0.
        """
        with translated(self.uri, "search the corpus"):
            condition = legs.user_filter(self._tables, where)
            return legs.match_phrases(self._tables, text, phrases, modality, k, condition)

    def multivectors(self, ids: Sequence[str] | None = None, where: str | None = None) -> PageVectors:
        """Late-interaction vectors of page rows: those of `ids`, in that order, or all in order of their id."""
        with translated(self.uri, "read the corpus"):
            condition = legs.user_filter(self._tables, where)
            return query.multivectors(self._tables, ids, condition, self.models.pages.dim)

    def inputs(self, doc_ids: Sequence[str], embedding: str) -> Iterator[dict[str, Any]]:
        """What the rows of these documents were made of, as far as the first part of their recipe is `embedding`;
        without vectors, streamed in no order."""
        with translated(self.uri, "read the corpus"):
            yield from query.inputs(self._tables, doc_ids, embedding)

    def layouts(self, doc_ids: Sequence[str]) -> Iterator[tuple[str, str]]:
        """(id, layout) of these documents' page rows that have one, whatever made them, streamed in no order."""
        with translated(self.uri, "read the corpus"):
            yield from query.layouts(self._tables, doc_ids)

    def vectors(self, ids: Sequence[str]) -> dict[str, RowVectors]:
        """What the models made of rows, by id; ids that are not there are left out."""
        with translated(self.uri, "read the corpus"):
            return query.vectors(self._tables, ids, self.models.pages.dim)

    def page_rows(self, doc_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Id, doc_id, page, bbox and asset_id of all page rows of some documents, in no order."""
        with translated(self.uri, "read the corpus"):
            return list(query.page_rows(self._tables, doc_ids))

    def row_ids(self) -> Iterator[str]:
        """Ids of all rows, streamed in no particular order."""
        with translated(self.uri, "read the corpus"):
            for batch in self._tables.batches(CORPUS, None, ["id"]):
                yield from batch["id"].to_pylist()

    def page_texts(self) -> Iterator[str]:
        """Texts of all page rows, streamed in no particular order."""
        with translated(self.uri, "read the corpus"):
            for batch in self._tables.batches(CORPUS, "modality = 'page'", ["text"]):
                yield from (text or "" for text in batch["text"].to_pylist())

    def frequencies(self) -> TokenCounts | None:
        """Token counts as they were last set."""
        with translated(self.uri, "read the token counts"):
            return self._assets.read_counts(self._tables.columns.multivector)

    def note(self, name: str) -> bytes | None:
        with translated(self.uri, "read a note"):
            return self._assets.read_note(name)

    def tagged(self, name: str) -> int | None:
        """The version of the corpus that has this tag, None if none has."""
        with translated(self.uri, "read the tags"):
            return upkeep.tagged(self._tables, name)

    def asset(self, asset_id: str) -> bytes:
        """The bytes of a picture or thumbnail. Raises `UsageError` if there is none of this id."""
        with translated(self.uri, "read a picture"):
            found = self._assets.read(asset_id)
        if found is None:
            raise UsageError(f"{self.uri}: there is no asset {asset_id[:80]!r}")
        return found

    def status(self) -> dict[str, Any]:
        """Rows by modality, documents by state, bytes and versions by table, index coverage, models."""
        with translated(self.uri, "read the store"):
            tables = {name: self._tables.open(name) for name in TABLES}
            return {
                "uri": self.uri,
                "rows": self.count(),
                "documents": self._ledger.states(),
                "bytes": {name: self._bytes(name) for name in TABLES},
                "versions": {name: self._tables.version(name) for name in TABLES},
                "indexes": {name: indexes.coverage(table) for name, table in tables.items()},
                "models": {name: str(id) for name, id in _named(self.models) if id is not None},
                "accepted": list(self.models.accepted),
            }

    # looking --------------------------------------------------------------------------------------------------

    def listing(self, chosen: Chosen, *, order: Order = "name", first: int = 0, count: int = 50) -> Listing:
        """`count` ledger rows from the `first` on, in this order, and how many there are in all."""
        with translated(self.uri, "read the ledger"):
            return look.listing(self._tables, chosen, order, first, count)

    def children(self, source_uri: str) -> list[DocumentRecord]:
        """Ledger rows of the attachments of one document."""
        with translated(self.uri, "read the ledger"):
            return look.children(self._tables, source_uri)

    def shown(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Document, picture and box of rows, by id; ids that are not there are left out."""
        with translated(self.uri, "read the corpus"):
            return look.shown(self._tables, ids)

    def record_of(self, doc_id: str) -> DocumentRecord | None:
        """The ledger row of a document by its id."""
        with translated(self.uri, "read the ledger"):
            return look.record_of(self._tables, doc_id)

    def media_types(self) -> dict[str, int]:
        """Number of documents by media type, the most frequent first; "" where it is not known."""
        with translated(self.uri, "read the ledger"):
            return look.values(self._tables, DOCUMENTS, "media_type")

    def outline(self, doc_id: str) -> list[PageOutline]:
        """The pages of a document that have rows, in order, each with its route and what there is of it."""
        with translated(self.uri, "read the corpus"):
            return look.outline(self._tables, doc_id)

    def on_page(self, doc_id: str, page: int | None, *, first: int = 0, count: int = 100) -> PageRows:
        """`count` rows of one page from the `first` on, in reading order, without vectors."""
        with translated(self.uri, "read the corpus"):
            return look.page_rows(self._tables, doc_id, page, first, count)

    def page_pictures(self, doc_ids: Sequence[str]) -> dict[tuple[str, int | None], str]:
        """Assets that show a page, or a standalone picture, as a whole, by document and page."""
        with translated(self.uri, "read the corpus"):
            return look.page_pictures(self._tables, doc_ids)

    def routed_pages(self) -> list[RoutedPage]:
        """Every page that has signals, once, in no order."""
        with translated(self.uri, "read the corpus"):
            return list(look.routed_pages(self._tables))

    def column_bytes(self) -> dict[str, dict[str, int]]:
        """Bytes by table and column in the newest version, without indexes."""
        with translated(self.uri, "read the store"):
            return look.column_bytes(self._tables)

    def tags(self) -> dict[str, int]:
        """Tags of the corpus, and the version that each names."""
        with translated(self.uri, "read the tags"):
            return look.tags(self._tables)

    def kept_versions(self) -> list[dict[str, Any]]:
        """Versions of the corpus that can still be read, newest first, with their times."""
        with translated(self.uri, "read the versions"):
            return look.versions(self._tables)

    # labels of routes -----------------------------------------------------------------------------------------

    def label_route(self, label: RouteLabel) -> None:
        """Say which path a page should take, in place of what was said before. No writer lock is needed for it."""
        with translated(self.uri, "write a label"):
            self._labels.put(label)

    def unlabel_route(self, doc_id: str, page: int) -> None:
        with translated(self.uri, "write a label"):
            self._labels.remove(doc_id, page)

    def route_labels(self, doc_id: str | None = None, content: str | None = None) -> list[RouteLabel]:
        """All labels, or one document's, or those given for exactly this content of it."""
        with translated(self.uri, "read the labels"):
            return list(self._labels.read(doc_id, content))

    # helpers --------------------------------------------------------------------------------------------------

    def _pictures(self, rows: RowFile | None, doc_ids: set[str]) -> dict[str, tuple[str, Path]]:
        """Pictures of the file by asset id; checks that its rows are unique and of the documents that are replaced."""
        found: dict[str, tuple[str, Path]] = {}
        if rows is None:
            return found
        if rows.models != self.models:
            raise ModelMismatch(_mismatch(self.uri, self.models, rows.models))
        seen: set[str] = set()
        for name, document, uri, asset, picture in rows.column("id", "doc_id", "source_uri", "asset_id", "picture"):
            if document not in doc_ids or name in seen:
                trouble = "twice in the file" if name in seen else "in the file, but its document is not to be replaced"
                raise StoreError(f"{uri}: the row {name} is {trouble}; nothing was written")
            seen.add(name)
            if asset is not None:
                found[asset] = (document, Path(picture))
        return found

    def _bytes(self, name: str) -> int:
        """All files of the table, old versions and indexes too; for an object store what its newest version holds."""
        if "://" in self.uri:
            return int(self._tables.open(name).stats()["total_bytes"])
        return sum(file.stat().st_size for file in Path(self.uri, f"{name}.lance").rglob("*") if file.is_file())


def _check_place(uri: str, create: bool) -> None:
    """Before anything is written: refuse what is no store, and what is not there unless it is to be made."""
    if "://" in uri:
        if not uri.startswith(SCHEMES):
            raise UsageError(
                f"{uri}: a store is a folder of this machine or {', '.join(SCHEMES)}...; give another --store"
            )
        return
    place = Path(uri)
    if not place.exists():
        if not create:
            raise UsageError(_missing(uri))
        return
    if not place.is_dir():
        raise NotAStore(f"{uri}: it is a file, not a store; give another --store")
    content = {entry.name for entry in place.iterdir() if not entry.name.startswith(NOTES)} - set(OURS)
    if content and not content & {f"{name}.lance" for name in TABLES}:
        raise NotAStore(
            f"{uri}: the folder holds other files ({min(content)}) and no docmill tables; give another --store"
        )


def _is_whole(tables: Tables) -> bool:
    return all(tables.exists(name) for name in TABLES) and any(
        index.columns == ["text"] for index in tables.open(CORPUS).list_indices()
    )


def _missing(uri: str) -> str:
    return f"no docmill store at {uri}: run `docmill ingest` first, or give --store"


def _mismatch(uri: str, pinned: Models, wanted: Models) -> str:
    differing = "; ".join(
        f"{kind}: the store has {old or 'none'}, the settings say {new or 'none'}"
        for (kind, old), (_, new) in zip(_named(pinned), _named(wanted), strict=True)
        if old != new
    )
    return (
        f"{uri}: made with another model ({differing}). Set them back, or embed again: docmill backfill "
        "reembed --unified NAME --pages NAME"
    )


def _named(models: Models) -> tuple[tuple[str, ModelId | None], ...]:
    """The models by the names that people see: where pictures have their own, `unified` is that of the texts."""
    return (("unified", models.unified), ("pages", models.pages), ("pictures", models.pictures))
