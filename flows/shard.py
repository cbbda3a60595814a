"""The flow of one shard: it takes its list from the store, and reads, embeds and writes beside the other shards."""

from __future__ import annotations

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from flows.reading import read_batches
from flows.request import Request, asked
from flows.turns import now, turn
from pipeline.backfill.shards import to_do
from pipeline.ingest.open import open_shared
from pipeline.ingest.plan import in_batches


class ShardRequest(Request):
    """Which shard of which run; other flows ask for it."""

    run_id: str = Field(default="", description="id of the flow run that cut the work into shards")
    number: int = Field(default=0, ge=0, description="which of its shards, from 0 on")
    of: int = Field(default=1, ge=1, description="how many there are")
    again: bool = Field(default=False, description="its documents are in the store: what is gone is left alone")


def _run_name() -> str:
    request = asked(ShardRequest)
    return f"shard {request.number + 1} of {request.of} of {request.run_id[:8]}"


@flow(
    name="shard",
    flow_run_name=_run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]
    persist_result=False,
    validate_parameters=True,
)
def shard(request: ShardRequest) -> None:
    """Do what is left of one shard; its documents are written in the name of the run that made the list."""
    settings = request.settings()
    with open_shared(settings, run_id=request.run_id, cwd=request.folder, now=now, turn=turn) as run:
        found = to_do(run.store, request.run_id, request.number, again=request.again)
        batches = list(in_batches(found, settings.batch_documents, settings.batch_mb * 1_000_000))
        read_batches(run, batches, lambda _: None, share=settings.backfill.share)
        counts = {"embedded": run.tally.embedded, "reused": run.tally.reused}
        run.store.note_shard(request.run_id, request.number, counts, now())
