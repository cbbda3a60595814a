"""Another try at documents in quarantine, as a flow: by kind of failure, by document, or at all of them."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.ingest import WITH_QUARANTINE, IngestRequest, ingest
from flows.reports import accounting_line
from flows.request import Request
from flows.server import rename_run
from pipeline.errors import UsageError
from pipeline.ingest.accounts import Summary
from pipeline.ingest.by_hand import choose, to_retry
from pipeline.sources.listing import look_up, spec_of
from pipeline.store import open_store


class RetryRequest(Request):
    """Which documents to try again: those of a fingerprint, those that are named, or all that are in quarantine."""

    fingerprint: str | None = Field(default=None, description="all documents that failed in this way")
    uris: list[str] = Field(default=[], description="source URIs of single documents")


@flow(name="retry-quarantine", flow_run_name="retry quarantine", persist_result=False, validate_parameters=True)
def retry_quarantine(request: RetryRequest) -> State[str] | str:
    """Have documents tried again, whatever the ledger says of them; an ingest of exactly these files."""
    if request.fingerprint and request.uris:
        raise UsageError("name a fingerprint or source URIs, not both")
    settings = request.settings()
    store = open_store(settings.store)
    with store.writer(settings.lock_wait_s):
        chosen = choose(store, request.uris, request.fingerprint)
        store.record(marked := to_retry(store, chosen))
    files = [record.source_uri for record in marked if record.parent is None]
    there = [spec_of(uri) for uri in files if look_up(uri).revision]
    rename_run(f"retry quarantine ({len(chosen):,} documents)")
    if not there:
        return "nothing is in quarantine" if not chosen else "none of the files is there any more"
    summary = ingest(IngestRequest(sources=there, cwd=request.cwd, config=request.config, overrides=request.overrides))
    assert isinstance(summary, Summary)
    line = accounting_line(summary)
    return Completed(name=WITH_QUARANTINE, message=line, data=line) if summary.has_quarantine else line
