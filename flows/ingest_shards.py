"""A large ingest by many workers: planned here, read in shards anywhere, and brought to its end here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from flows.fanout import read_by_shards
from flows.progress import Progress
from flows.turns import ensure_limit, now, turn
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
            _read(request, run, plan, tell)
        return run.finish(plan)


def _read(request: IngestRequest, run: Ingest, plan: Plan, tell: Callable[[Progress], None]) -> None:
    found = read_by_shards(request, run, chain.from_iterable(plan.batches), request.shards, tell)
    seen_to = [replace(r, state="skipped") if r.state == "deleted" else r for r in found.overtaken]
    run.take_over(seen_to, embedded=0, reused=0)  # by another run, meanwhile
