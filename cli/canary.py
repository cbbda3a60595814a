"""`docmill canary`: known questions asked again, which fails if searches find less than they did."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click
from rich.table import Table

from cli.output import Common, common_options, console, json_line, one_line, print_line, short_name, warn
from pipeline.canary import Verdict, run_canary
from pipeline.config import Settings
from pipeline.ingest.open import models_of
from pipeline.store import open_store

SHOWN = 10


@click.command()
@click.option("--accept", is_flag=True, help="Take this time as good, whatever searches find.")
@common_options
def canary(common: Common, accept: bool) -> int | None:
    """Ask known questions again: do searches find what they found when the store was last good?

    The questions are sampled from the corpus itself; canary.file adds your own. If recall@10 fell by more than
    canary.drop the exit code is 1 and the tag `good` of the tables stays where it was; else the tag names this version.
    With --json one object with recall, mrr, questions, compared, before, after, lost, good, table_version and tagged.
    """
    verdict = ask(common.settings, accept=accept)
    if common.json:
        print_line(json_line(_value(verdict)))
    else:
        console().print(_table(verdict))
    verdict.check()
    return None


def ask(settings: Settings, *, accept: bool = False) -> Verdict:
    """Ask here and now, under the writer lock of the store; question files are looked for in this folder."""
    store = open_store(settings.store)
    unified, pages = models_of(settings)
    with store.writer(settings.lock_wait_s, waiting):
        now = dt.datetime.now(dt.UTC)
        return run_canary(settings, store, unified, pages, now=now, folder=Path.cwd(), accept=accept)


def waiting(holder: str) -> None:
    warn(f"waiting for another run on this store ({holder})")


def _value(verdict: Verdict) -> dict[str, object]:
    return {
        "recall": round(verdict.recall, 4),
        "mrr": round(verdict.mrr, 4),
        "questions": len(verdict.answers),
        "compared": verdict.compared,
        "before": verdict.before,
        "after": verdict.after,
        "lost": [{"text": question.text, "source_uri": question.source_uri} for question in verdict.lost],
        "good": verdict.good,
        "table_version": verdict.version,
        "tagged": verdict.tagged,
    }


def _table(verdict: Verdict) -> Table:
    table = Table.grid(padding=(0, 2))
    figures = f"recall@10 {verdict.recall:.3f}, MRR {verdict.mrr:.3f} on {len(verdict.answers):,} questions"
    table.add_row("this time", figures)
    if verdict.before is not None and verdict.after is not None:
        compared = f"{verdict.before:.3f} then, {verdict.after:.3f} now, on {verdict.compared:,} questions"
        table.add_row("compared", compared)
    for question in verdict.lost[:SHOWN]:
        table.add_row("lost", f"{one_line(question.text)} (no longer finds {short_name(question.source_uri)})")
    where = f"version {verdict.tagged}" if verdict.tagged else "not set: there is nothing to ask"
    table.add_row("tag good", f"{where}; the table is at version {verdict.version}")
    return table
