"""A folder and a store, ingested as often as asked: real parsers, workers and store, and embedders that compute."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from fakes import WordPages, WordUnified

from pipeline.config import Settings
from pipeline.ingest.accounts import Summary
from pipeline.ingest.run import Ingest, Plan, Second
from pipeline.parse.sandbox import Sandbox
from pipeline.store import Models, Store, open_store

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


class Corpus:
    """What a test needs of a corpus. Runs with the limits of `sandbox` parse in its workers, others in their own."""

    def __init__(self, tmp_path: Path, sandbox: Sandbox | None = None) -> None:
        self.tmp_path, self.folder = tmp_path, tmp_path / "corpus"
        self.unified, self.pages = WordUnified(), WordPages()
        self.folder.mkdir()
        self.store_path = tmp_path / "store"
        self.second: Second | None = None  # loads the models that the store is being moved to
        self.sandbox = sandbox

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def store(self) -> Store:
        return open_store(str(self.store_path), create=Models(self.unified.id, WordPages.id))

    def open(
        self,
        store: Store | None = None,
        *,
        run_id: str = "r",
        work: str = "work",
        turn: Callable[[], AbstractContextManager[None]] | None = None,
        **settings: object,
    ) -> Ingest:
        """A run over the store, or over a handle of its own; the caller closes it."""
        chosen = Settings.model_validate({"workers": 1, **settings})
        return Ingest(
            chosen,
            store or self.store(),
            self.unified,
            self.pages,
            run_id=run_id,
            now=lambda: NOW,
            work_dir=self.tmp_path / work,
            cwd=self.tmp_path,
            turn=turn,
            second=self.second,
            sandbox=self.sandbox if self.sandbox and self.sandbox.limits == chosen.limits else None,
        )

    def ingest(
        self,
        *specs: str,
        allow_mass_delete: bool = False,
        refresh: bool = False,
        run_id: str = "r",
        **settings: object,
    ) -> Summary:
        store = self.store()
        run = self.open(store, run_id=run_id, **settings)
        with store.writer():
            try:
                plan = run.plan(specs or ["corpus"], allow_mass_delete=allow_mass_delete, refresh=refresh)
                return carry_out(run, plan)
            finally:
                run.close()

    def texts(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for row in self.store().rows():
            found.setdefault(row["source_uri"].rsplit("/", 1)[-1], []).append(row["text"])
        return found


def carry_out(run: Ingest, plan: Plan) -> Summary:
    """All batches of a plan, one after the other, and the end of the run."""
    for number, batch in enumerate(plan.batches):
        run.write(run.embed(run.prepare(batch, number), number), number)
    return run.finish(plan)
