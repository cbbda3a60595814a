"""A large ingest by many workers: planned here, read in shards anywhere, and brought to its end here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from flows.fanout import Job, run_shards
from flows.progress import Progress
from flows.turns import ensure_limit, now, turn
from pipeline.backfill.shards import Collected, collect, cut, list_shards, settle
from pipeline.config import Settings
from pipeline.errors import UsageError
from pipeline.ingest.accounts import Summary
from pipeline.ingest.manifest import Manifest
from pipeline.ingest.open import check_sources, open_shared
from pipeline.ingest.run import Ingest, Plan
from pipeline.sources.listing import pages

if TYPE_CHECKING:
    from flows.ingest import IngestRequest


def ingest_by_shards(
    request: IngestRequest,
    settings: Settings,
    manifest: Manifest | None,
    run_id: str,
    tell: Callable[[Progress], None],
) -> Summary:
    """Plan, have the shards read, delete what is gone and check the books. The store is shared all the while."""
    if urls := pages(request.sources, request.folder):
        raise UsageError(
            f"{urls[0]}: pages are kept by the machine that fetched them; leave out --shards for web sources"
        )
    ensure_limit(settings.store)
    check_sources(settings, request.sources, request.folder, manifest)
    with open_shared(settings, run_id=run_id, cwd=request.folder, now=now, turn=turn, create=True) as run:
        chosen = {"allow_mass_delete": request.allow_mass_delete, "refresh": request.refresh}
        plan = run.plan(request.sources, manifest=manifest, **chosen)
        if plan.batches:
            _read(request, run, plan, settings, tell)
        return run.finish(plan)


def _read(
    request: IngestRequest, run: Ingest, plan: Plan, settings: Settings, tell: Callable[[Progress], None]
) -> None:
    shards = cut(chain.from_iterable(plan.batches), request.shards)
    list_shards(run.store, run.run_id, shards, now())
    total = sum(map(len, shards))
    run_shards(request, Job(run.run_id, len(shards), total, False, lambda: _done(run)), settings, tell)
    found: Collected = collect(run.store, run.run_id, lambda _: False)
    found.check()
    settle(run, found)
    seen_to = [replace(r, state="skipped") if r.state == "deleted" else r for r in found.overtaken]
    run.take_over(seen_to, embedded=0, reused=0)  # by another run, meanwhile
    run.store.drop_shards(run.run_id)


def _done(run: Ingest) -> int:
    return run.store.count_of_run(run.run_id)
