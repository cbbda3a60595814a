"""Reading batches of documents in a run that shares its store: the loop that backfills and shards have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture

from flows.progress import Progress
from pipeline.ingest.run import Embedded
from pipeline.types import Found, Prepared


class Steps(Protocol):
    """What is done with a batch."""

    def prepare(self, batch: Sequence[Found], number: int = 0) -> list[Prepared]: ...

    def embed(self, prepared: Sequence[Prepared], number: int = 0) -> Embedded: ...

    def write(self, embedded: Embedded, number: int = 0) -> None: ...


@task(name="prepare", task_run_name="prepare {label}", cache_policy=NO_CACHE, persist_result=False)
def prepare(steps: Steps, batch: Sequence[Found], number: int, label: str) -> list[Prepared]:  # noqa: ARG001
    return steps.prepare(batch, number)


@task(name="embed", task_run_name="embed {label}", cache_policy=NO_CACHE, persist_result=False)
def embed(steps: Steps, prepared: Sequence[Prepared], number: int, label: str) -> Embedded:  # noqa: ARG001
    return steps.embed(prepared, number)


@task(name="write", task_run_name="write {label}", cache_policy=NO_CACHE, persist_result=False)
def write(steps: Steps, embedded: Embedded, number: int, label: str) -> None:  # noqa: ARG001
    steps.write(embedded, number)


def read_batches(
    steps: Steps, batches: Sequence[Sequence[Found]], tell: Callable[[Progress], None], *, share: float = 1.0
) -> None:
    """Prepare, embed and write batch by batch, the next one being parsed meanwhile; with a `share` of the time below 1
    one after the other, and with pauses that leave the rest of the time to others."""
    total, done = sum(map(len, batches)), 0
    tell(Progress("planned", 0, total))
    following: PrefectFuture[Any] | None = None
    for number, batch in enumerate(batches):
        label = f"batch {number + 1} of {len(batches)} ({len(batch)} documents)"
        started = time.monotonic()
        tell(Progress("parsing", done, total))
        prepared = (following or prepare.submit(steps, batch, number, label)).result()
        following = None
        if share == 1 and number + 1 < len(batches):
            ahead = f"batch {number + 2} of {len(batches)} ({len(batches[number + 1])} documents)"
            following = prepare.submit(steps, batches[number + 1], number + 1, ahead)
        tell(Progress("embedding", done, total))
        embedded = embed(steps, prepared, number, label)
        tell(Progress("writing", done, total))
        write(steps, embedded, number, label)
        done += len(batch)
        tell(Progress("written", done, total))
        if number + 1 < len(batches):
            time.sleep((time.monotonic() - started) * (1 / share - 1))
