"""Promises of a run after one that was cut short, and of one whose disk fills up while it embeds."""

from __future__ import annotations

import datetime as dt
import errno
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from fakes import WordPages, WordUnified
from PIL import Image

from pipeline.config import Settings
from pipeline.embed import Frequencies
from pipeline.errors import StoreError
from pipeline.ingest.run import Ingest
from pipeline.store import Models, open_store
from pipeline.types import PictureInput, Vectors

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


class CountingPages(WordPages):
    """Pages whose frequencies are the number of texts."""

    uses_frequencies = True

    def count_frequencies(self, texts: Iterable[str]) -> Frequencies:
        return Frequencies(len(list(texts)), np.zeros(3, np.int64))


class FullDisk(WordUnified):
    def embed_pictures(self, pictures: Sequence[PictureInput]) -> Vectors:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    Image.linear_gradient("L").resize((300, 200)).convert("RGB").save(folder / "hill.png")
    return folder


def open_run(folder: Path, unified: WordUnified, pages: WordPages) -> Ingest:
    store = open_store(str(folder.parent / "store"), create=Models(unified.id, pages.id))
    settings, work = Settings(workers=1), folder.parent / "work"
    return Ingest(settings, store, unified, pages, run_id="r", now=lambda: NOW, work_dir=work, cwd=folder.parent)


def test_a_run_does_what_the_one_before_could_not_finish(folder: Path) -> None:
    """Rows were written, but nothing was counted or indexed: the next run does it, though it has nothing to read."""
    run = open_run(folder, WordUnified(), CountingPages())
    plan = run.plan(["docs"])
    run.write(run.embed(run.prepare(plan.batches[0])))
    run.close()
    again = open_run(folder, WordUnified(), CountingPages())
    summary = again.finish(again.plan(["docs"]))
    counted = again.store.frequencies()

    assert (summary.indexed, summary.unchanged) == (0, 1)
    assert (counted.pages if counted else 0) == summary.rows["page"]
    assert all(index["unindexed"] == 0 for index in again.store.status()["indexes"]["corpus"].values())


def test_a_full_disk_is_no_documents_fault(folder: Path) -> None:
    """The run stops; the document is not put into quarantine, where no later run would look at it again."""
    run = open_run(folder, FullDisk(), WordPages())
    plan = run.plan(["docs"])
    prepared = run.prepare(plan.batches[0])
    with pytest.raises(StoreError, match="No space left on device: no room for pictures"):
        run.embed(prepared)
    run.close()

    assert list(run.store.documents()) == []
