"""What fails for a reason that may pass is tried again within the run, with pauses, and again by later runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from corpus import Corpus

from pipeline.config import Limits, Settings
from pipeline.ingest.prepare import Preparer
from pipeline.parse.sandbox import Sandbox
from pipeline.sources.local import uri_of
from pipeline.sources.named import look_up


@pytest.fixture
def preparer(tmp_path: Path, sandbox: Sandbox) -> Iterator[Preparer]:
    preparer = Preparer(Settings(workers=1, retries=1), tmp_path / "work", sandbox)
    yield preparer
    preparer.close()


def test_a_file_that_changed_after_it_was_listed_is_taken_as_it_is_now(preparer: Preparer, tmp_path: Path) -> None:
    """Somebody wrote to it in the meantime: the second attempt reads the new bytes under their own revision."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    listed = look_up(uri_of(path))
    path.write_text("the new words")
    (done,) = preparer.prepare([listed])

    assert done.failure is None
    assert (done.attempts, done.revision) == (2, look_up(uri_of(path)).revision)


def test_a_file_that_stays_away_is_quarantined_after_all_attempts(preparer: Preparer, tmp_path: Path) -> None:
    """The failure that is left says so, and that it may pass; the other files of the batch are read once."""
    (tmp_path / "b.txt").write_text("words")
    gone, there = look_up(uri_of(tmp_path / "gone.txt")), look_up(uri_of(tmp_path / "b.txt"))
    done = {item.blob.name: item for item in preparer.prepare([gone, there])}

    assert done["gone.txt"].failure is not None
    assert (done["gone.txt"].failure.transient, done["gone.txt"].attempts) == (True, 2)
    assert (done["b.txt"].failure, done["b.txt"].attempts) == (None, 1)


def test_a_file_of_a_plan_is_not_tried_again(preparer: Preparer, tmp_path: Path) -> None:
    """A plan holds it to certain bytes, and it will not have them the next second."""
    path = tmp_path / "a.txt"
    path.write_text("words")
    (done,) = preparer.prepare([replace(look_up(uri_of(path)), sha256="0" * 64)])

    assert done.failure is not None
    assert done.attempts == 1


def test_attempts_add_up_over_runs(corpus: Corpus) -> None:
    """The ledger counts every attempt at the same bytes."""
    corpus.write("broken.pdf", "%PDF-1.7 nothing more")
    corpus.ingest()
    corpus.ingest(limits=Limits(pages=5).model_dump())
    (failed,) = corpus.store().documents(state="quarantined")

    assert failed.attempts == 2
