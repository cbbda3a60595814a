"""The flow that moves a store to other models, beside scheduled ingests and searches."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from pydantic import Field

from flows.backfill import watched
from flows.canary import guard_now
from flows.ingest import current_listener, listening
from flows.progress import Progress
from flows.request import Request, asked
from flows.server import reached
from flows.turns import ensure_limit, now, turn
from pipeline.backfill.choice import Choice
from pipeline.backfill.reembed import Reembed, Reembedded, begin_way_back
from pipeline.config import Settings
from pipeline.errors import UsageError
from pipeline.ingest.in_force import in_force, names_of, with_names
from pipeline.ingest.open import load_both, models_to_pin, shared_folder
from pipeline.ingest.refill import Content
from pipeline.store import Names, open_store


class ReembedRequest(Request):
    """Which models the store is to be moved to."""

    unified: str = Field(default="", description="the next embedder of passages and pictures; as it is when empty")
    text: str = Field(default="", description="the next embedder of passages beside one for pictures only")
    pages: str = Field(default="", description="the next embedder of page pictures; as it is when empty")
    back: bool = Field(default=False, description="back to the models before the last move, instead")
    where: str | None = Field(default=None, description="fill only documents of this filter over the ledger for now")
    since: dt.datetime | None = Field(default=None, description="fill only documents changed at this time or later")
    until: dt.datetime | None = Field(default=None, description="fill only documents changed before this time")
    limit: int | None = Field(default=None, ge=1, description="fill at most so many rows for now")
    share: float | None = Field(default=None, gt=0, le=1, description="share of the time to work")
    gate: bool = Field(default=True, description="switch only if known items are found as before")

    @property
    def choice(self) -> Choice:
        return Choice(self.where, self.since, self.until)


@task(name="fill", task_run_name="fill {label}", cache_policy=NO_CACHE, persist_result=False)
def fill(job: Reembed, rows: Sequence[Content], label: str) -> None:  # noqa: ARG001
    job.write(job.embed(rows))


@task(name="compare", task_run_name="compare recall", cache_policy=NO_CACHE, persist_result=False)
def compare(job: Reembed) -> tuple[float, float]:
    return job.compare()


@task(name="switch", task_run_name="switch", cache_policy=NO_CACHE, persist_result=False)
def switch(job: Reembed) -> None:
    job.switch()


@task(name="label", task_run_name="name the models", cache_policy=NO_CACHE, persist_result=False)
def label(job: Reembed) -> int:
    return job.label()


def _run_name() -> str:
    request = asked(ReembedRequest)
    names = ", ".join(name for name in (request.unified, request.text, request.pages) if name)
    return f"{'rollback' if request.back else f'reembed to {names}'} {now():%Y-%m-%d}"


@flow(name="reembed", flow_run_name=_run_name, persist_result=False, validate_parameters=True)
def reembed(request: ReembedRequest) -> Reembedded:
    """Fill the vectors of other models beside those in force, compare, switch in one commit, and label."""
    settings, started = request.settings(), time.monotonic()
    ensure_limit(settings.store)
    with shared_folder(settings.store) as folder:
        job = _open(request, settings, folder)
        if not job.is_switched:
            job.begin()
        elif job.store.sets.labelled:
            raise UsageError(f"{settings.store}: is made with these models already")
        done = _move(job, request)
    done = Reembedded(**{**done.contract(), "seconds": round(time.monotonic() - started, 2)})
    rows = "\n".join(f"| {name.replace('_', ' ')} | {value} |" for name, value in done.contract().items())
    create_markdown_artifact(f"## Reembed\n\n| | |\n|---|---|\n{rows}\n", key="backfill-reembed-summary")
    if done.switched:
        guard_now(settings, request.folder)
    return done


def _open(request: ReembedRequest, settings: Settings, folder: Path) -> Reembed:
    store, live = open_store(settings.store), in_force(settings)
    if not store.sets.labelled:  # a switch was cut short before its labels: that comes first, whichever way it went
        names = store.sets.live.names
    elif request.back:
        with turn(store):
            names = begin_way_back(store)
    else:
        text = request.text if request.unified or request.text else live.text
        names = Names(request.unified or live.unified, request.pages or live.pages_model, text)
        if names == names_of(live):
            raise UsageError(f"{settings.store}: is made with {names.unified} and {names.pages} already; name others")
    next_settings = with_names(settings, names)
    coming = load_both(next_settings)
    accepted = models_to_pin(next_settings, *coming).accepted
    return Reembed(
        settings, store, load_both(live), coming, names, turn=turn, folder=folder, now=now, accepted=accepted
    )


def _move(job: Reembed, request: ReembedRequest) -> Reembedded:
    recalls: tuple[float | None, float | None] = (None, None)
    long = left = 0
    if not job.is_switched:
        _fill(job, request)
        left = job.missing()
        if not left or not _is_partial(request):
            job.settle()
            if request.gate and not request.back:
                recalls = compare(job)
                job.check(*recalls)
            switch(job)
            left = 0
    if job.is_switched:
        long = label(job)
    kind = "rollback" if request.back else "reembed"
    names, version = job.names, job.store.version()
    return Reembedded(
        kind, names.unified, names.text, names.pages, job.rows, left, long, *recalls, job.is_switched, version
    )


def _fill(job: Reembed, request: ReembedRequest) -> None:
    total, share = job.missing(), request.share or job.settings.backfill.share
    tell = watched(current_listener.get(), total, "backfill-reembed", "rows")
    tell(Progress("planned", 0, total))
    started = time.monotonic()
    for number, rows in enumerate(job.groups(job.chosen(request.choice), request.limit)):
        fill(job, rows, f"group {number + 1} ({len(rows)} rows)")
        tell(Progress("written", min(job.rows, total), total))
        time.sleep((time.monotonic() - started) * (1 / share - 1))
        started = time.monotonic()


def _is_partial(request: ReembedRequest) -> bool:
    return any(value is not None for value in (request.where, request.since, request.until, request.limit))


def run_reembed(request: ReembedRequest, listener: Callable[[Progress], None]) -> Reembedded:
    """Run the flow here and now. Raises what the run raised, and `ServerError` for Prefect's own troubles."""
    with reached(), listening(listener):
        return reembed(request)
