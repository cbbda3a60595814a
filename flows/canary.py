"""The canary as a flow, and as the gate behind other flows: known questions, asked again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from flows.reports import cell, markdown_table
from flows.request import Request
from flows.server import rename_run
from pipeline.canary import Verdict, run_canary
from pipeline.config import Settings
from pipeline.embed import PageModel, Unified
from pipeline.ingest.open import models_of
from pipeline.store import Store, open_store

SHOWN = 20


class CanaryRequest(Request):
    """Which store to ask, and what to make of it."""

    accept: bool = Field(default=False, description="take this time as good, whatever searches find")


@flow(name="canary", flow_run_name="canary", persist_result=False, validate_parameters=True)
def canary(request: CanaryRequest) -> float:
    """Ask known questions again; fails if searches find less than they did, and moves the tag `good` if not.

    Gives recall@10.
    """
    verdict = ask_now(request.settings(), request.folder, accept=request.accept)
    rename_run(f"canary {dt.datetime.now(dt.UTC):%Y-%m-%d} (recall {verdict.recall:.3f})")
    publish_verdict(verdict)
    verdict.check()
    return verdict.recall


def ask_now(
    settings: Settings, folder: Path, *, accept: bool = False, waiting: Callable[[str], None] | None = None
) -> Verdict:
    """Ask under the writer lock of the store. Raises `UsageError` without a store, `StoreBusy`."""
    store = open_store(settings.store)
    unified, pages = models_of(settings)
    with store.writer(settings.lock_wait_s, waiting):
        return run_canary(settings, store, unified, pages, now=dt.datetime.now(dt.UTC), folder=folder, accept=accept)


def guard(settings: Settings, store: Store, unified: Unified, pages: PageModel, folder: Path) -> None:
    """The gate at the end of a run that holds the writer lock, if it is set. Raises `CanaryDrop`."""
    if settings.canary.gate:
        verdict = run_canary(settings, store, unified, pages, now=dt.datetime.now(dt.UTC), folder=folder)
        publish_verdict(verdict)
        verdict.check()


def guard_now(settings: Settings, folder: Path) -> None:
    """The gate behind a run that no longer holds the writer lock, if it is set. Raises `CanaryDrop`."""
    if settings.canary.gate:
        verdict = ask_now(settings, folder)
        publish_verdict(verdict)
        verdict.check()


def publish_verdict(verdict: Verdict) -> None:
    """The figures, and the questions that are no longer answered."""
    figures = f"recall@10 {verdict.recall:.3f}, MRR {verdict.mrr:.3f} on {len(verdict.answers)} questions"
    facts = {"this time": figures}
    if verdict.before is not None and verdict.after is not None:
        facts["compared"] = f"{verdict.compared} questions: {verdict.before:.3f} then, {verdict.after:.3f} now"
    facts["tag good"] = f"version {verdict.tagged} of the table" if verdict.tagged else "not set yet"
    facts["table"] = f"version {verdict.version}"
    lost = "".join(
        f"- {cell(question.text)} (no longer finds {cell(question.source_uri)})\n" for question in verdict.lost[:SHOWN]
    )
    head = "## Searches find what they found" if verdict.good else "## Searches find less than they did"
    text = f"{head}\n\n{markdown_table(('', ''), facts)}\n{lost}"
    create_markdown_artifact(text, key="canary", description=figures)
