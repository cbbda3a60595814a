"""Fan-out: the shards of a run as deployment runs, which any worker on any machine takes, and waiting for them all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from flows.progress import Progress
from flows.request import Request
from flows.turns import ensure_limit, now
from pipeline.backfill.shards import Collected, collect, cut, list_shards, settle, shared_settings
from pipeline.config import Settings
from pipeline.errors import ServerError, UsageError
from pipeline.ingest.run import Ingest
from pipeline.types import Found

DEPLOYMENT = "shard/shard"
LOOK_EVERY_S = 2.0
SAY_EVERY_S = 10.0
PATIENCE_S = 60.0  # without a worker that takes a shard, until it is said
GROUP = 100


@dataclass(frozen=True, slots=True)
class Job:
    """What a run has its shards do: `total` documents, of which `done` counts those that are in the ledger by now. With
    `again` they are in the store, and what is gone is left alone."""

    run_id: str
    shards: int
    total: int
    again: bool
    done: Callable[[], int]


@dataclass(slots=True)
class Shard:
    """A shard and its present flow run."""

    number: int
    run: UUID
    attempt: int = 1


def read_by_shards(
    request: Request,
    run: Ingest,
    sources: Iterable[Found],
    shards: int,
    tell: Callable[[Progress], None],
    *,
    is_gone: Callable[[str], bool] | None = None,
) -> Collected:
    """Have workers read the sources, cut into so many shards, in the name of `run`, which counts what they did.
    `is_gone` tells of sources that are in the store whether they are still there; without it they are all read as they
    are listed.

    Raises what `run_shards` raises, and `AccountingError` if a source was not done.
    """
    lists = cut(sources, shards)
    list_shards(run.store, run.run_id, lists, now())
    total = sum(map(len, lists))
    job = Job(run.run_id, len(lists), total, is_gone is not None, lambda: run.store.count_of_run(run.run_id))
    run_shards(request, job, run.settings, tell)
    found = collect(run.store, run.run_id, is_gone or (lambda _: False))
    found.check()
    settle(run, found)
    run.store.drop_shards(run.run_id)
    return found


def run_shards(request: Request, job: Job, settings: Settings, tell: Callable[[Progress], None]) -> None:
    """Start the shards and wait for all of them; one that crashed or failed is started again, `backfill.attempts` times
    in all. Raises `ServerError` if a shard never got through, `UsageError` if the server does not know shards."""
    parameters = {
        "run_id": job.run_id,
        "of": job.shards,
        "again": job.again,
        "cwd": request.cwd,
        "config": request.config,
        "overrides": request.overrides | shared_settings(settings),
    }
    ensure_limit(settings.store)

    def start(number: int, attempt: int) -> Shard:
        run = _start({"request": parameters | {"number": number}}, f"{job.run_id}-{number}-{attempt}")
        return Shard(number, run, attempt)

    waiting = [start(number, 1) for number in range(job.shards)]
    watch = _Watch(job, tell)
    lost: list[int] = []
    while waiting:
        time.sleep(LOOK_EVERY_S)
        runs = {run.id: run for run in _read(shard.run for shard in waiting)}
        watch.look(any(run.start_time for run in runs.values()))
        for shard in list(waiting):
            state = runs[shard.run].state if shard.run in runs else None
            if state is None or not state.is_final():
                continue
            waiting.remove(shard)
            if not state.is_completed() and shard.attempt < settings.backfill.attempts:
                waiting.append(start(shard.number, shard.attempt + 1))
            elif not state.is_completed():
                lost.append(shard.number)
    watch.end()
    if lost:
        raise ServerError(
            f"{len(lost)} of {job.shards} shards failed {settings.backfill.attempts} times each, the first is shard "
            f"{min(lost) + 1}: the Prefect UI has its logs. What the others did is in the table; run it again to go on"
        )


class _Watch:
    """Says now and then how far all shards are together, and once that nobody takes them."""

    def __init__(self, job: Job, tell: Callable[[Progress], None]) -> None:
        self._job, self._tell, self._started = job, tell, time.monotonic()
        self._last, self._is_taken, self._was_said = self._started, False, False
        tell(Progress("planned", 0, job.total))

    def look(self, is_taken: bool) -> None:
        moment = time.monotonic()
        self._is_taken = self._is_taken or is_taken
        if not self._is_taken and not self._was_said and moment - self._started > PATIENCE_S:
            self._tell(Progress("queued", 0, self._job.total, "no worker takes the shards; `docmill serve` starts one"))
            self._was_said = True
        if self._is_taken and moment - self._last > SAY_EVERY_S:
            self._last = moment
            self.end()

    def end(self) -> None:
        self._tell(Progress("written", min(self._job.done(), self._job.total), self._job.total))


def _start(parameters: dict[str, object], key: str) -> UUID:
    try:
        made = run_deployment(DEPLOYMENT, parameters=parameters, timeout=0, idempotency_key=key, tags=["shard"])
    except ObjectNotFound as error:
        raise UsageError(
            f"the Prefect server has no deployment {DEPLOYMENT}: start `docmill serve`, or run without --shards"
        ) from error
    assert isinstance(made, FlowRun)  # called where nothing is awaited
    return made.id


def _read(ids: Iterable[UUID]) -> list[FlowRun]:
    wanted, found = list(ids), []
    with get_client(sync_client=True) as client:
        for start in range(0, len(wanted), GROUP):
            some = FlowRunFilter(id=FlowRunFilterId(any_=wanted[start : start + GROUP]))
            found += client.read_flow_runs(flow_run_filter=some, limit=GROUP)
    return found
