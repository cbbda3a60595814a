"""Puts the stages together: discover, fetch, parse and route, chunk, embed, store, account.

`Ingest` is one run. Its methods are the run's steps, each taking and giving small values, so that a scheduler can call
them as tasks: `plan` once; `prepare`, `embed` and `write` for each batch; then `finish`.

A run has the store to itself, or shares it: then it holds the writer lock only while it writes, and overwrites nothing
that others wrote since it began to read.
"""

from __future__ import annotations

import datetime as dt
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.config import Settings
from pipeline.embed import PageModel, Unified
from pipeline.errors import Permanent, StoreError, UsageError, to_failure
from pipeline.ingest.accounts import Summary, Tally, check
from pipeline.ingest.draft import Draft
from pipeline.ingest.gone import agreed, delete, vanished_attachments
from pipeline.ingest.in_force import names_of
from pipeline.ingest.manifest import Manifest
from pipeline.ingest.mend import mend_books
from pipeline.ingest.plan import in_batches
from pipeline.ingest.prepare import Preparer
from pipeline.ingest.reading import KnownReadings, PageReader, load_readings
from pipeline.ingest.recipes import recipes_of
from pipeline.ingest.records import NEW, Mark, as_deleted, has_rows, mark, merged, note, record_of
from pipeline.ingest.refill import Refill
from pipeline.ingest.reuse import Known, load_known
from pipeline.ingest.rows import RowMaker
from pipeline.ingest.seal import Listed, Seal, asked, tables
from pipeline.ingest.seal import write as write_seal
from pipeline.ingest.stopwatch import PARSING, Stopwatch
from pipeline.ingest.survey import Listing, Survey, Surveyed, list_sources
from pipeline.labelled import routes_of
from pipeline.languages import Sample, language_note
from pipeline.parse.sandbox import Sandbox
from pipeline.parse.spool import read
from pipeline.sources.listing import is_web, pages
from pipeline.store import RowFile, Store, TokenCounts, VectorSet, open_store
from pipeline.types import DocumentRecord, Failure, Found, Prepared, Row

SHARED_WAITS_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)  # between counts, while another machine writes to the store, too


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do; only the sources that need work are held."""

    batches: tuple[tuple[Found, ...], ...]
    discovered: int
    unchanged: int
    skipped: int
    quarantined: int  # known permanent failures, left alone
    gone: tuple[str, ...]  # documents whose file is no longer there
    why: dict[str, int]  # new, changed, retry, ...
    stale: int = 0  # of the unchanged, those that another recipe made


@dataclass(frozen=True, slots=True)
class Embedded:
    """One batch ready to be written: its rows on disk and its ledger records."""

    rows: Path
    records: tuple[DocumentRecord, ...]
    reused: int = 0  # rows whose vectors were in the store already
    pages_read: int = 0  # page pictures that went through OCR
    readings_reused: int = 0  # page pictures whose words were in the store already
    routes: Mapping[str, int] = field(default_factory=dict)  # pages by route


Second = Callable[[VectorSet], tuple[Unified, PageModel]]  # loads the models that a store is being moved to
Turn = Callable[[], AbstractContextManager[None]]


class Ingest:
    """One run over some sources into one store.

    The caller holds the store's writer lock while it lives, or gives `turn`, which holds it for each write. Documents
    are parsed in the workers of `sandbox`, which stay the caller's, or in workers of its own.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        unified: Unified,
        pages: PageModel,
        *,
        run_id: str,
        now: Callable[[], dt.datetime],
        work_dir: Path,
        cwd: Path,
        turn: Turn | None = None,
        second: Second | None = None,
        sandbox: Sandbox | None = None,
    ) -> None:
        self.settings, self.store, self.run_id, self.cwd, self.now = settings, store, run_id, cwd, now
        self.unified, self.pages = unified, pages
        self.recipes = recipes_of(settings, unified, pages)
        self.tally = Tally()
        self._sample = Sample()  # of this run's passages, to see what languages they are in
        self.overtaken = 0
        self.stopwatch = Stopwatch()
        self._started = time.monotonic()
        self._pages_changed = False  # rows of pages were written or replaced, so their words are to be counted again
        self._deleted: int | None = None
        self._listed: tuple[str, str] | None = None  # what was asked for and found, where it can be sealed
        self.watch: Callable[[int], None] = lambda _: None  # told how many web sources were looked at
        self._preparer = Preparer(settings, work_dir, sandbox, lambda: routes_of(store.route_labels()))
        self._readings = [store, *([open_store(settings.ocr.store)] if settings.ocr.store else [])]
        self._turn: Turn = turn or nullcontext
        self._shares = turn is not None
        self._second = second
        self._seconds: tuple[Unified, PageModel] | None = None
        self._at_hand: dict[int, dict[str, Mark]] = {}  # by batch: what the ledger said when it was begun

    # the steps ------------------------------------------------------------------------------------------------

    def plan(
        self,
        specs: Sequence[str],
        *,
        manifest: Manifest | None = None,
        allow_mass_delete: bool = False,
        refresh: bool = False,
    ) -> Plan:
        """Compare what is there with the ledger, and note skips and new revisions of unchanged documents in it.

        With a manifest its documents are compared instead, and `specs` do not count. With `refresh` documents that
        other settings or an older version made are done again.
        """
        with self._turn(), self.stopwatch.of("list and compare"), ExitStack() as stack:
            mend_books(self.store, self.run_id, self.now())
            listing = manifest.listing() if manifest else self._listing(specs, stack)
            listed = Listed(listing.found)
            plan = self._plan(replace(listing, found=listed), manifest, allow_mass_delete, refresh)
            if manifest is None and not self._shares and "://" not in self.store.uri and not pages(specs, self.cwd):
                self._listed = (asked(self.settings, specs, self.cwd), listed.digest())
            return plan

    def _listing(self, specs: Sequence[str], stack: ExitStack) -> Listing:
        urls = pages(specs, self.cwd)
        if not urls:
            return list_sources(specs, self.settings, self.cwd)
        from pipeline.ingest.web import open_crawl  # brings an HTTP library that files need not

        crawl = open_crawl(self.settings, urls, self._preparer)
        crawl.tell = self.watch
        stack.callback(crawl.close)
        return list_sources(specs, self.settings, self.cwd, crawl)

    def _plan(self, listing: Listing, manifest: Manifest | None, allow_mass_delete: bool, refresh: bool) -> Plan:
        refresh = refresh or (manifest is not None and manifest.header.refresh)
        survey = Survey(listing, self.store, replace(self.recipes, refresh=refresh))
        work: list[Found] = []
        counts: Counter[str] = Counter()
        why: Counter[str] = Counter()
        stale = 0
        for group in survey.groups():
            for item in group:
                if item.is_work:
                    work.append(item.found)
                    why[item.decision.why] += 1
                else:
                    counts[item.decision.action] += 1
                    stale += item.decision.is_stale
            idle = (item for item in group if not item.is_work)
            self.store.record([record for item in idle for record in self._note(item)])
        limit = 1.0 if allow_mass_delete else self.settings.sources.mass_delete
        gone = agreed(survey.missing(), limit, self.store, work)
        if not work and not counts and not gone:
            raise UsageError(f"{listing.name}: no files in it; is it the right folder?")
        self.tally.outcomes.update(counts)
        batches = tuple(in_batches(work, self.settings.batch_documents, self.settings.batch_mb * 1_000_000))
        left = (counts["unchanged"], counts["skipped"], counts["quarantined"])
        return Plan(batches, len(work) + sum(left), *left, gone, dict(why), stale)

    def mend(self) -> int:
        """Make the ledger's row counts those of the table, as `plan` does first of all."""
        with self._turn():
            return mend_books(self.store, self.run_id, self.now())

    def prepare(self, batch: Sequence[Found], number: int = 0) -> list[Prepared]:
        """Fetch, parse and route a batch; attachments come out as documents of their own."""
        if self._shares:
            known = {record.source_uri: mark(record) for record in self.store.documents([item.uri for item in batch])}
            self._at_hand[number] = {item.uri: known.get(item.uri, NEW) for item in batch}
        with self._files_there():
            prepared = self._preparer.prepare(batch, number)
        self.stopwatch.add(PARSING, sum(item.seconds for item in prepared))
        return prepared

    def embed(self, prepared: Sequence[Prepared], number: int = 0) -> Embedded:
        """Chunk and embed a batch into a file of rows. A document that fails here leaves no row in it.

        What the store knows from earlier versions and copies of these documents is taken from there.
        """
        failed: dict[str, Failure] = {}
        with self._files_there():
            path = self._preparer.folder(number) / "rows.arrow"
            known = load_known(self.store, prepared, self.recipes.embedding)
            readings = load_readings(self._readings, prepared)
            while True:
                try:
                    return self._embed(prepared, path, failed, known, readings)
                except _DocumentFailed as error:
                    failed[error.uri] = error.failure

    def write(self, embedded: Embedded, number: int = 0) -> None:
        """Rows first, in one commit, then the ledger; rows of a document that failed this time stay as they were.

        A run that shares the store leaves out what another one has written since; `overtaken` counts these sources.
        """
        with self._turn(), self.stopwatch.of("write"):
            self._write(embedded, number)
        shutil.rmtree(self._preparer.folder(number), ignore_errors=True)

    def _write(self, embedded: Embedded, number: int) -> None:
        records = embedded.records
        known = {record.source_uri: record for record in self.store.documents([r.source_uri for r in records])}
        overtaken = self._overtaken(number)
        records = tuple(r for r in records if _source(r.source_uri) not in overtaken)
        vanished = vanished_attachments(self.store, records, known)
        replaced = [r for r in records if r.state != "quarantined"]
        final = [merged(record, known.get(record.source_uri)) for record in records]
        with self.store.settling(self.run_id):
            if any(map(has_rows, [*replaced, *known.values(), *vanished])):
                left_out = {r.doc_id for r in embedded.records} - {r.doc_id for r in records}
                self.store.replace(RowFile.open(embedded.rows, left_out), [r.doc_id for r in [*replaced, *vanished]])
                self._fill_next([record.doc_id for record in replaced if has_rows(record)])
            self.store.record([*final, *(as_deleted(r, self.run_id, self.now()) for r in vanished)])
        self._pages_changed |= any(r.page_rows for r in [*replaced, *known.values(), *vanished])
        for record in final:
            self.tally.add(record)
        self.tally.add_rows(records, embedded.reused)
        self.tally.routes.update(embedded.routes)
        self.overtaken += len(overtaken)
        self.tally.add_readings(embedded.pages_read, embedded.readings_reused)

    def delete(self, plan: Plan) -> int:
        """Delete what is gone, once; gives how many documents that were."""
        with self._turn():
            return self._delete(plan)

    def _delete(self, plan: Plan) -> int:
        if self._deleted is None:
            self._deleted = delete(self.store, plan.gone, self.run_id, self.now())
        return self._deleted

    def finish(self, plan: Plan) -> Summary:
        """Delete what is gone, refresh the indexes, check the books; `AccountingError` if they do not balance."""
        with self._turn():
            return self._finish(plan)

    def _finish(self, plan: Plan) -> Summary:
        deleted = self._delete(plan)
        self._preparer.kept.forget(filter(is_web, plan.gone))
        with self.stopwatch.of("index"):
            if self._pages_changed or deleted or self._frequencies_are_old():
                self._refresh_frequencies()
            self.store.refresh_indexes()  # writes nothing where they cover all rows, as they do after a whole run
        outcomes = self.tally.outcomes
        rows, noted = self._count_rows()
        summary = Summary(
            run_id=self.run_id,
            discovered=plan.discovered,
            indexed=outcomes["indexed"],
            unchanged=outcomes["unchanged"],
            skipped=outcomes["skipped"],
            quarantined=outcomes["quarantined"],
            deleted=deleted,
            attachments=self.tally.attachments,
            rows=rows,
            seconds=round(time.monotonic() - self._started, 2),
            table_version=self.store.version(),
            slowest=tuple(sorted(self.tally.slowest, reverse=True)),
            failures=tuple(self.tally.failures),
            embedded=self.tally.embedded,
            reused=self.tally.reused,
            stale=plan.stale,
            routes=dict(self.tally.routes),
            notes=tuple(filter(None, [language_note(self._sample.texts, self.settings)])),
            bytes=self.tally.bytes,
            why=plan.why,
            pages_read=self.tally.pages_read,
            readings_reused=self.tally.readings_reused,
            stages=self.stopwatch.taken(time.monotonic() - self._started),
        )
        check(summary, noted)
        self._seal(plan, summary)
        return summary

    def take_over(self, records: Iterable[DocumentRecord], *, embedded: int, reused: int) -> None:
        """Count documents that other processes wrote in this run's name."""
        for record in records:
            self.tally.add(record)
            self._pages_changed |= record.page_rows > 0
        self.tally.embedded += embedded
        self.tally.reused += reused

    def close(self) -> None:
        """Stop the workers and remove what lies in the work folder."""
        self._preparer.close()

    @contextmanager
    def _files_there(self) -> Iterator[None]:
        """What goes wrong with a document's own file is its failure; here it is the run's own files."""
        try:
            yield
        except OSError as error:
            cause = f"{error.strerror or error} ({error.filename})" if error.filename else str(error)
            raise StoreError(
                f"{self.store.uri}: the run lost its working files: {cause}; was the store moved or removed? Run again"
            ) from error

    def _fill_next(self, doc_ids: Sequence[str]) -> None:
        """While the store is being moved to other models, what is written gets their vectors, too."""
        target = self.store.sets.next if self._second is not None and doc_ids else None
        if target is None or self._second is None:
            return
        try:
            self._seconds = self._seconds or self._second(target)
        except UsageError:  # not to be had in this place: the backfill will fill these rows
            self._second = None
            return
        refill = Refill(self.store, target, *self._seconds, self._preparer.work_dir / "next")
        for rows in self.store.to_fill(target, set(doc_ids)):
            self.store.fill(target, refill.embed(rows))

    def _overtaken(self, number: int) -> set[str]:
        """Sources of a batch whose ledger entry is no longer the one that the batch was begun with."""
        before = self._at_hand.pop(number, {})
        now = {record.source_uri: mark(record) for record in self.store.documents(list(before))} if before else {}
        return {uri for uri, then in before.items() if now.get(uri, NEW) != then}

    def _seal(self, plan: Plan, summary: Summary) -> None:
        """Leave a seal, unless the next run would find something to try again or goes by other settings."""
        if self._listed is None or self.tally.failures or names_of(self.settings) in self.store.sets.former:
            return
        models = self.store.models
        write_seal(
            self.store.uri,
            Seal(
                *self._listed,
                tables(self.store.uri),
                (self.recipes.rows, self.recipes.attempt),
                models.dtypes(),
                models.accepted,
                plan.discovered,
                summary.skipped,
                summary.quarantined,
                plan.stale,
                summary.rows,
                summary.table_version,
            ),
        )

    def _note(self, item: Surveyed) -> list[DocumentRecord]:
        return note(item.found, item.before, item.decision, self.run_id, self.now())

    def _count_rows(self) -> tuple[dict[str, int], dict[str, int]]:
        """Rows in the table and by the ledger; no lock keeps other machines from being between the two."""
        for wait_s in SHARED_WAITS_S if "://" in self.store.uri else (0.0,):
            time.sleep(wait_s)
            rows = {str(modality): count for modality, count in self.store.count().items()}
            noted = self.store.ledger_counts()
            if rows == noted:
                break
        return rows, noted

    # embedding ------------------------------------------------------------------------------------------------

    def _embed(
        self,
        prepared: Sequence[Prepared],
        path: Path,
        failed: dict[str, Failure],
        known: Known,
        readings: KnownReadings,
    ) -> Embedded:
        drafts: dict[str, Draft] = {}
        items = {item.blob.uri: item for item in prepared}
        reader = PageReader(self.pages.reader, readings, self.stopwatch)
        with RowFile.create(path, self.store.models) as file, reader:

            def sink(draft: Draft, rows: Sequence[Row]) -> None:
                self._sample.add(row.text for row in rows if row.modality == "text")
                file.add(self._record(items[draft.uri], draft, None), rows, self.now())

            maker = RowMaker(
                self.unified,
                self.pages,
                aim=self.settings.chunks.tokens,
                sink=sink,
                known=known,
                reader=reader,
                stopwatch=self.stopwatch,
            )
            for item in prepared:
                if item.spool is None or item.failure or item.skip or item.blob.uri in failed:
                    continue
                draft = drafts[item.blob.uri] = Draft(item.blob.uri)
                try:
                    maker.add(draft, read(item.spool))
                except (Permanent, ValueError) as error:
                    raise _DocumentFailed(item.blob.uri, to_failure(error, "chunk")) from error
            maker.flush()
        records = tuple(self._record(i, drafts.get(i.blob.uri), failed.get(i.blob.uri)) for i in prepared)
        made = drafts.values()
        routes: Counter[str] = Counter()
        for draft in made:
            routes.update(draft.routes)
        return Embedded(
            path,
            records,
            sum(draft.reused for draft in made),
            sum(draft.pages_read for draft in made),
            sum(draft.readings_reused for draft in made),
            routes,
        )

    def _record(self, item: Prepared, draft: Draft | None, failure: Failure | None) -> DocumentRecord:
        return record_of(item, draft, failure, self.recipes, self.run_id, self.now())

    def _frequencies_are_old(self) -> bool:
        """Whether an earlier run was cut short before it counted again."""
        counted = self.store.frequencies()
        return self.pages.uses_frequencies and (counted.pages if counted else 0) != self.store.count()["page"]

    def _refresh_frequencies(self) -> None:
        if self.pages.uses_frequencies:
            frequencies = self.pages.count_frequencies(self.store.page_texts())
            self.store.set_frequencies(TokenCounts(frequencies.pages, frequencies.counts))


def _source(uri: str) -> str:
    """The URI of the source that a document is, or is inside of."""
    return uri.partition("!/")[0]


class _DocumentFailed(Exception):
    """A document that cannot be embedded at all; its batch is done again without it."""

    def __init__(self, uri: str, failure: Failure) -> None:
        super().__init__(failure.message)
        self.uri, self.failure = uri, failure
