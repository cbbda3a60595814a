"""What an ingest would do, without doing it: compares, sniffs and parses a sample. Writes nothing but a manifest."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from mimetypes import guess_type
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.config import Settings
from pipeline.errors import DocmillError, UsageError
from pipeline.ingest.fetch import digest_of, why_skipped
from pipeline.ingest.forecast import (
    Forecast,
    Past,
    RowBytes,
    calibrated,
    choose,
    count_types,
    forecast,
    learn,
    row_bytes,
)
from pipeline.ingest.gone import objection_to
from pipeline.ingest.manifest import Entry, Header, ManifestWriter, PlannedAction, store_name, writing
from pipeline.ingest.open import models_of, models_to_pin
from pipeline.ingest.plan import Recipes
from pipeline.ingest.prepare import Preparer
from pipeline.ingest.recipes import recipes_of
from pipeline.ingest.sample import parse_sample
from pipeline.ingest.survey import Listing, Survey, Surveyed, list_sources
from pipeline.ingest.web import open_crawl
from pipeline.languages import language_note
from pipeline.parse.sniff import sniff
from pipeline.sources.listing import is_object, is_web, name_of, pages
from pipeline.sources.web.kept import Overlay
from pipeline.store import Store, find_store
from pipeline.types import Found

SAMPLE = 20  # documents
WEB_WARNING = (
    "of the web only what is named was fetched: known pages count as unchanged, listed ones as new, and links are "
    "followed only from pages that are known or named"
)
UNREADABLE = "unreadable"  # instead of a media type
UNKNOWN = "application/octet-stream"
ACTIONS: dict[str, PlannedAction] = {"new": "new", "changed": "changed", "recipe": "changed", "retry": "retry"}
OUTCOMES: dict[str, PlannedAction] = {"unchanged": "unchanged", "skipped": "skipped", "quarantined": "quarantined"}


@dataclass(frozen=True, slots=True)
class Preview:
    """The counts are of sources; `documents` (by media type) and the forecast are of those that would be worked on."""

    discovered: int
    counts: dict[str, int]  # new, changed, unchanged, skipped, quarantined, retry, gone
    stale: int  # of the unchanged, those that other settings or an older version made
    reasons: dict[str, int]  # of the skipped ones
    documents: dict[str, int]
    forecast: Forecast
    warnings: tuple[str, ...] = ()

    def contract(self) -> dict[str, object]:
        """The JSON object that programs depend on."""
        cost = self.forecast
        return {
            "discovered": self.discovered,
            **self.counts,
            "stale": self.stale,
            "documents": self.documents,
            "pages": dict(cost.pages),
            "seconds": cost.seconds,
            "bytes": cost.size_bytes,
            "sampled": cost.sampled,
            "basis": cost.basis,
            "reasons": self.reasons,
            "warnings": list(self.warnings),
        }


def preview(
    settings: Settings,
    specs: Sequence[str],
    *,
    cwd: Path,
    now: Callable[[], dt.datetime],
    refresh: bool = False,
    out: Path | None = None,
) -> Preview:
    """Look at the sources and the ledger, which need not be there, and parse up to 20 documents in the sandbox.

    With `refresh` stale documents count as changed ones. With `out` the plan is written there as a manifest. Raises
    `UsageError` for sources that are not there or hold no files, `ModelMismatch` and `NotAStore` as an ingest would.
    """
    unified, page_model = models_of(settings)
    store = find_store(settings.store, models_to_pin(settings, unified, page_model))
    recipes = replace(recipes_of(settings, unified, page_model), refresh=refresh)
    with ExitStack() as stack:
        listing = _listing(specs, settings, cwd, stack, frozen=out is not None)
        writer = stack.enter_context(writing(out)) if out else None
        survey = Survey(listing, store, recipes, records=out is not None)  # a manifest names the hashes of all
        books = _Books(survey, store, writer, settings.sources.mass_delete)
        books.take()
        if not books.counts.total():
            raise UsageError(f"{listing.name}: no files in it; is it the right folder?")
        if writer is not None:
            writer.finish(_header(settings, specs, listing.roots, recipes, now()), books.counted())
    sizes = _row_bytes(store, row_bytes(unified.id.dim, page_model.id.dim, settings.chunks.tokens))
    past = learn(store.documents()) if store else Past()
    loads = count_types(books.work)
    sample = parse_sample(settings, choose([one for one in books.work if not is_web(one[1].uri)], SAMPLE))
    cost = forecast(loads, sample, past, sizes, settings.workers or os.cpu_count() or 1)
    if any(is_web(found.uri) for _, found in books.work):
        books.warnings.append(WEB_WARNING)
    if note := language_note([text for one in sample for text in one.texts], settings):
        books.warnings.append(note)
    counts = books.counted()
    return Preview(
        sum(counts.values()) - counts["gone"],
        counts,
        books.stale,
        dict(books.reasons.most_common()),
        {media_type: load.documents for media_type, load in loads.items()},
        cost,
        tuple(books.warnings),
    )


def _listing(specs: Sequence[str], settings: Settings, cwd: Path, stack: ExitStack, *, frozen: bool) -> Listing:
    """As an ingest lists them, but of the web only what is named is fetched, and nothing of it is kept."""
    urls = pages(specs, cwd)
    if not urls:
        return list_sources(specs, settings, cwd)
    if frozen:
        raise UsageError(
            f"{urls[0]}: a plan of web pages cannot be frozen: a site gives no page as it was; leave out --out"
        )
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="docmill-plan-")))
    preparer = stack.enter_context(closing(Preparer(settings, folder / "work")))
    preparer.kept = Overlay(folder / "web", preparer.kept)
    crawl = open_crawl(settings, urls, preparer, only_named=True)
    stack.callback(crawl.close)
    return list_sources(specs, settings, cwd, crawl)


class _Books:
    """Counts of one survey; holds only the sources that would be worked on."""

    def __init__(self, survey: Survey, store: Store | None, writer: ManifestWriter | None, mass_delete: float) -> None:
        self._survey, self._store, self._writer, self._mass_delete = survey, store, writer, mass_delete
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.work: list[tuple[str, Found]] = []
        self.warnings: list[str] = []
        self.stale = 0

    def take(self) -> None:
        for group in self._survey.groups():
            for item in group:
                self._source(item)
        for missing in self._survey.missing():
            fresh = [found for _, found in self.work]
            if objection := objection_to(missing, self._mass_delete, self._store, fresh):
                self.warnings.append(f"{objection} An ingest will stop there, unless it is given --allow-mass-delete")
            for uri in missing.uris:
                self._note(Entry(uri, "gone"))

    def counted(self) -> dict[str, int]:
        names = ("new", "changed", "unchanged", "skipped", "quarantined", "retry", "gone")
        return {name: self.counts[name] for name in names}

    def _source(self, item: Surveyed) -> None:
        found, decision = item.found, item.decision
        action, reason = OUTCOMES.get(decision.action, "skipped"), decision.why
        if decision.action == "work":
            action = ACTIONS[decision.why]
            media_type, skip = _looked_at(found)
            if skip is None:
                self.work.append((media_type, found))
            else:
                action, reason = "skipped", skip
        self.stale += decision.is_stale
        if action == "skipped":
            self.reasons[_kind_of(reason)] += 1
        digest = None if self._writer is None or found.skip is not None else _digest(item)
        self._note(Entry(found.uri, action, digest, found.size_bytes, found.revision, found.skip))

    def _note(self, entry: Entry) -> None:
        self.counts[entry.action] += 1
        if self._writer is not None:
            self._writer.add(entry)


def _looked_at(found: Found) -> tuple[str, str | None]:
    """Media type, of an object by its name alone, and why an ingest would skip it once it has opened it."""
    name = name_of(found)
    if found.failure is not None:
        return UNREADABLE, None
    if is_web(found.uri):
        return guess_type(name)[0] or "text/html", None
    try:
        media_type = sniff(found.path, name) if found.path else guess_type(name)[0] or UNKNOWN
    except (DocmillError, OSError):
        return UNREADABLE, None
    return media_type, why_skipped(media_type, name)


def _digest(item: Surveyed) -> str | None:
    """Where nothing needs to be done, the ledger's hash is the file's. An object's revision stands for its bytes."""
    if is_object(item.found.uri):
        return None
    if item.decision.action != "work" and item.before is not None:
        return item.before.content_sha256
    return digest_of(item.found, None)()


def _kind_of(reason: str) -> str:
    """The reason without the size of the one file."""
    return reason[reason.index("over the limit") :] if "over the limit" in reason else reason


def _header(
    settings: Settings, specs: Sequence[str], roots: Sequence[str], recipes: Recipes, now: dt.datetime
) -> Header:
    sources = [spec.encode("utf-8", "backslashreplace").decode() for spec in specs]
    created = now.isoformat(timespec="seconds")
    return Header(created, sources, store_name(settings.store), recipes.attempt, list(roots), refresh=recipes.refresh)


def _row_bytes(store: Store | None, plain: RowBytes) -> RowBytes:
    if store is None:
        return plain
    status = store.status()
    return calibrated(plain, status["rows"], status["bytes"]["corpus"], status["bytes"]["assets"])
