"""The run that finds nothing to do: it needs no models, no workers and no scheduler to say so."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Settings
from pipeline.errors import UsageError
from pipeline.ingest.accounts import Summary
from pipeline.ingest.seal import summary_of, unbroken
from pipeline.sources.listing import pages

if TYPE_CHECKING:
    from pipeline.ingest.manifest import Manifest


def ingest_if_idle(
    settings: Settings,
    specs: Sequence[str],
    *,
    run_id: str,
    cwd: Path,
    now: Callable[[], dt.datetime],
    manifest: Manifest | None = None,
    refresh: bool = False,
    allow_mass_delete: bool = False,
    waiting: Callable[[str], None] | None = None,
) -> Summary | None:
    """The summary of a run over these sources if no document is to be read or deleted; None, with nothing written but
    notes of skipped files, if there is work. Raises what `open_ingest` and `Ingest.plan` raise.

    A run over web pages is not tried: should it find work, every page would be asked for twice.
    """
    started = time.monotonic()
    if manifest is None and not refresh and (seal := unbroken(settings, specs, cwd)) is not None:
        return summary_of(seal, run_id, time.monotonic() - started)
    from pipeline.ingest.open import open_ingest  # brings LanceDB, which takes longer than ten thousand files do
    from pipeline.store import open_store

    if pages(specs, cwd):
        return None
    try:
        open_store(settings.store)
    except UsageError:  # not there yet
        return None
    with open_ingest(settings, specs, run_id=run_id, cwd=cwd, now=now, manifest=manifest, waiting=waiting) as run:
        plan = run.plan(specs, manifest=manifest, refresh=refresh, allow_mass_delete=allow_mass_delete)
        return None if plan.batches or plan.gone else run.finish(plan)
