"""The ingest flow: one run of the pipeline as Prefect sees it, a task for each step of a batch of documents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from prefect import flow, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from flows.canary import guard, guard_now
from flows.progress import Progress
from flows.quarantine_report import publish_quarantine
from flows.reports import ProgressArtifact, accounting_line, publish_summary
from flows.request import Request, asked
from flows.route_report import publish_routes
from flows.server import reached, rename_run
from flows.signals import undisturbed
from pipeline.errors import UsageError
from pipeline.ingest.accounts import Summary
from pipeline.ingest.manifest import Manifest, read_manifest
from pipeline.ingest.open import open_ingest
from pipeline.ingest.run import Embedded, Ingest, Plan
from pipeline.store import Store, open_store
from pipeline.types import Found, Prepared

WITH_QUARANTINE = "CompletedWithQuarantine"
current_listener: ContextVar[Callable[[Progress], None]] = ContextVar("listener", default=lambda _: None)


class IngestRequest(Request):
    """What to read, and how."""

    sources: list[str] = Field(
        default=[], description="files, folders, globs or @list.txt; those of `schedule.sources` when empty"
    )
    shards: int = Field(default=0, ge=0, le=10_000, description="cut the work into so many runs for all workers")
    manifest: str | None = Field(default=None, description="work on the documents of this manifest, not on sources")
    refresh: bool = Field(default=False, description="read again, too, what other settings or an older docmill made")
    allow_mass_delete: bool = Field(default=False, description="delete even if most documents of a folder are gone")


@task(name="plan", task_run_name="discover and plan", cache_policy=NO_CACHE, persist_result=False)
def plan(run: Ingest, request: IngestRequest, manifest: Manifest | None) -> Plan:
    chosen = {"allow_mass_delete": request.allow_mass_delete, "refresh": request.refresh}
    return run.plan(request.sources, manifest=manifest, **chosen)


@task(name="prepare", task_run_name="prepare {label}", cache_policy=NO_CACHE, persist_result=False)
def prepare(run: Ingest, batch: Sequence[Found], number: int, label: str) -> list[Prepared]:  # noqa: ARG001
    return run.prepare(batch, number)


@task(name="embed", task_run_name="embed {label}", cache_policy=NO_CACHE, persist_result=False)
def embed(run: Ingest, prepared: Sequence[Prepared], number: int, label: str) -> Embedded:  # noqa: ARG001
    return run.embed(prepared, number)


@task(name="write", task_run_name="write {label}", cache_policy=NO_CACHE, persist_result=False)
def write(run: Ingest, embedded: Embedded, number: int, label: str) -> None:  # noqa: ARG001
    with undisturbed():
        run.write(embedded, number)


@task(name="finish", task_run_name="index and check the books", cache_policy=NO_CACHE, persist_result=False)
def finish(run: Ingest, planned: Plan) -> Summary:
    with undisturbed():
        run.delete(planned)
    return run.finish(planned)


def _run_name() -> str:
    return _name(asked(IngestRequest))


def _name(request: IngestRequest) -> str:
    sources = [request.manifest] if request.manifest else request.sources
    names = ", ".join(Path(source.lstrip("@")).name or source for source in sources[:3]) or "by schedule"
    more = f" and {len(sources) - 3} more" if len(sources) > 3 else ""
    return f"ingest {names}{more} {_now():%Y-%m-%d}"


@flow(
    name="ingest",
    flow_run_name=_run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]
    persist_result=False,
    validate_parameters=True,
)
def ingest(request: IngestRequest) -> Summary | State[Summary]:
    """Ingest sources into the store: every source ends as indexed, unchanged, skipped or quarantined.

    With documents in quarantine the run ends in the state `CompletedWithQuarantine`.
    """
    settings, cwd = request.settings(), request.folder
    if not request.sources and not request.manifest:
        if not settings.schedule.sources:
            raise UsageError("no sources are given and schedule.sources is empty: name what to read")
        request = request.model_copy(update={"sources": list(settings.schedule.sources)})
    run_id = str(runtime.flow_run.id)
    manifest = read_manifest(cwd / request.manifest) if request.manifest else None
    tell = current_listener.get()

    def waiting(holder: str) -> None:
        tell(Progress("waiting", 0, 0, holder))

    if request.shards:
        from flows.ingest_shards import ingest_by_shards

        summary = ingest_by_shards(request, settings, manifest, run_id, tell)
        rename_run(f"{_name(request)} ({summary.discovered:,} files)")
        _report(summary, open_store(settings.store), request)
        guard_now(settings, cwd)
        return _ended(summary)
    with open_ingest(
        settings, request.sources, run_id=run_id, cwd=cwd, now=_now, manifest=manifest, waiting=waiting
    ) as run:
        run.watch = lambda visited: tell(Progress("fetching", visited, 0))
        planned = plan(run, request, manifest)
        rename_run(f"{_name(request)} ({planned.discovered:,} files)")
        _work(run, planned)
        summary = finish(run, planned)
        _report(summary, run.store, request)
        guard(settings, run.store, run.unified, run.pages, cwd)
    return _ended(summary)


def _report(summary: Summary, store: Store, request: IngestRequest) -> None:
    publish_summary(summary)
    publish_quarantine(store, request.config)
    publish_routes(store, summary.run_id)


def _ended(summary: Summary) -> Summary | State[Summary]:
    if summary.has_quarantine:
        return Completed(name=WITH_QUARANTINE, message=accounting_line(summary), data=summary)
    return summary


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _work(run: Ingest, planned: Plan) -> None:
    """Embed and write batch by batch, while the next batch is being parsed: one ahead, never more."""
    tell = current_listener.get()
    artifact = ProgressArtifact(len(planned.batches))
    total = sum(map(len, planned.batches))
    tell(Progress("planned", 0, total))
    done = 0
    following = _prepare_from(run, planned, 0)
    for number, batch in enumerate(planned.batches):
        assert following is not None
        label = _label(number, planned)
        tell(Progress("parsing", done, total))
        with run.stopwatch.of("wait for parsing"):
            prepared = following.result()
        following = _prepare_from(run, planned, number + 1)
        tell(Progress("embedding", done, total))
        embedded = embed(run, prepared, number, label)
        tell(Progress("writing", done, total))
        write(run, embedded, number, label)
        done += len(batch)
        tell(Progress("written", done, total))
        artifact.update(number + 1)


def _prepare_from(run: Ingest, planned: Plan, number: int) -> PrefectFuture[list[Prepared]] | None:
    if number >= len(planned.batches):
        return None
    return prepare.submit(run, planned.batches[number], number, _label(number, planned))


def _label(number: int, planned: Plan) -> str:
    return f"batch {number + 1} of {len(planned.batches)} ({len(planned.batches[number])} documents)"


@contextmanager
def listening(listener: Callable[[Progress], None]) -> Iterator[None]:
    """Within the block, a flow started in this thread tells its progress to `listener`."""
    token = current_listener.set(listener)
    try:
        yield
    finally:
        current_listener.reset(token)


def run_ingest(request: IngestRequest, listener: Callable[[Progress], None]) -> Summary:
    """Run the flow here and now. Raises what the run raised, and `ServerError` for Prefect's own troubles."""
    with reached(), listening(listener):
        summary = ingest(request)
    assert isinstance(summary, Summary)  # Prefect gives what is in a state
    return summary
