"""The backfill flow: documents of a store are read again, beside scheduled ingests and searches."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any, Literal

from prefect import flow, runtime
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from flows.canary import guard_now
from flows.fanout import read_by_shards
from flows.ingest import current_listener, listening
from flows.progress import Progress
from flows.reading import read_batches
from flows.request import Request, asked
from flows.server import reached
from flows.turns import ensure_limit, now, turn
from pipeline.backfill.accounts import Backfilled, pace
from pipeline.backfill.choice import Choice, Work, to_reparse
from pipeline.backfill.read import Rereading, note_all
from pipeline.backfill.reroute import reroute
from pipeline.ingest.open import open_shared
from pipeline.ingest.run import Ingest
from pipeline.sources.listing import look_up


class BackfillRequest(Request):
    """Which documents are to be done again, and how."""

    kind: Literal["reparse", "reroute"] = Field(default="reparse", description="what is to be done again")
    where: str | None = Field(default=None, description="filter over the ledger, as media_type = 'text/html'")
    since: dt.datetime | None = Field(default=None, description="documents changed at this time or later")
    until: dt.datetime | None = Field(default=None, description="documents changed before this time")
    limit: int | None = Field(default=None, ge=1, description="read at most so many documents")
    shards: int = Field(default=0, ge=0, le=10_000, description="cut the work into so many runs for all workers")
    share: float | None = Field(default=None, gt=0, le=1, description="share of the time to work")

    @property
    def choice(self) -> Choice:
        return Choice(self.where, self.since, self.until, self.limit)


def _run_name() -> str:
    return f"backfill {asked(BackfillRequest).kind} {now():%Y-%m-%d}"


@flow(
    name="backfill",
    flow_run_name=_run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]
    persist_result=False,
    validate_parameters=True,
)
def backfill(request: BackfillRequest) -> Backfilled:
    """Read chosen documents again; what is done already by the present recipe is not done twice."""
    settings = request.settings()
    ensure_limit(settings.store)
    run_id = str(runtime.flow_run.id)
    with open_shared(settings, run_id=run_id, cwd=request.folder, now=now, turn=turn) as run:
        work = _choose(run, request)
        steps = Rereading(run, request.kind, work)
        tell = watched(current_listener.get(), len(work.sources), f"backfill-{request.kind}")
        if request.shards and work.sources:
            done = _by_shards(request, steps, tell)
        else:
            read_batches(steps, work.batches(settings), tell, share=request.share or settings.backfill.share)
            done = steps.finish()
    create_markdown_artifact(backfill_markdown(done), key=f"backfill-{request.kind}-summary")
    guard_now(settings, request.folder)
    return done


def _choose(run: Ingest, request: BackfillRequest) -> Work:
    run.mend()
    if request.kind == "reparse":
        return to_reparse(run.store, request.choice, run.recipes)
    rerouting = reroute(run.store, request.choice, run.recipes)
    with turn(run.store):
        note_all(run.store, rerouting.agreed)
    return rerouting.work


def _by_shards(request: BackfillRequest, steps: Rereading, tell: Callable[[Progress], None]) -> Backfilled:
    run = steps.run
    sources = steps.work.found()
    found = read_by_shards(request, run, sources, request.shards, tell, is_gone=lambda uri: not look_up(uri).revision)
    steps.gone, run.overtaken = len(found.gone), len(found.overtaken)
    return steps.finish()


def watched(
    tell: Callable[[Progress], None], total: int, key: str, thing: str = "documents"
) -> Callable[[Progress], None]:
    """`tell`, and a progress artifact that says what is done, what is left, how fast it goes and when it ends."""
    if not total:
        return tell
    started = time.monotonic()
    made: Any = create_progress_artifact(0.0, key=key, description=pace(0, total, 0, thing))

    def both(step: Progress) -> None:
        tell(step)
        if step.stage == "written":
            words = pace(step.done, total, time.monotonic() - started, thing)
            update_progress_artifact(made, progress=100.0 * step.done / total, description=words)

    return both


def backfill_markdown(done: Backfilled) -> str:
    """A small page: what became of the chosen documents."""
    rows = "\n".join(f"| {name.replace('_', ' ')} | {value} |" for name, value in done.contract().items())
    return f"## Backfill {done.kind}\n\n| | |\n|---|---|\n{rows}\n"


def run_backfill(request: BackfillRequest, listener: Callable[[Progress], None]) -> Backfilled:
    """Run the flow here and now. Raises what the run raised, and `ServerError` for Prefect's own troubles."""
    with reached(), listening(listener):
        return backfill(request)
