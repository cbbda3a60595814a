"""A store is moved to other models while it is used: what is filled, when it is switched, and the way back."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from corpus import NOW, Corpus
from fakes import WordPages, WordUnified
from test_reuse import scans

from pipeline.backfill.reembed import Reembed, begin_way_back, cancel, finish, restore_tag
from pipeline.config import SearchWeights, Settings
from pipeline.errors import CanaryDrop, ModelMismatch, StoreError, UsageError
from pipeline.parse.sandbox import Sandbox
from pipeline.search import Searcher
from pipeline.store import Models, Names, Store, open_store
from pipeline.types import ModelId, PictureInput, Vectors

OLD, NEW = Names("words", "word-pages"), Names("turned", "word-pages")
WORDS = ("tide", "wheel", "sluice", "gate", "stone", "flour", "river", "grain", "harbour", "ledger", "bridge", "weir")


TURN = np.random.default_rng(7).normal(size=(32, 24)).astype(np.float32)


class Turned(WordUnified):
    """Another model of another dimension: the words' axes, projected."""

    id = ModelId("turned", "1", 24, "counts")

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        turned = super().embed_texts(texts) @ TURN
        return turned / np.linalg.norm(turned, axis=1, keepdims=True)

    def embed_pictures(self, pictures: Sequence[PictureInput]) -> Vectors:
        return self.embed_texts([f"{picture.caption} {picture.context}" for picture in pictures])


class Deaf(Turned):
    """A model that finds nothing."""

    id = ModelId("deaf", "1", 24, "none")

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        return np.tile(np.eye(1, 24, dtype=np.float32), (len(texts), 1))


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Path:
    """Twelve texts and two scanned pages, ingested once; the copy is what each test begins with."""
    home = tmp_path_factory.mktemp("home") / "used"
    home.mkdir()
    found = Corpus(home, sandbox)
    for number, word in enumerate(WORDS):
        text = " ".join([word] * (number + 3) + [WORDS[(number + step) % 12] for step in range(8)])
        found.write(f"{number:02}.txt", text)
    scans(found.folder / "scan.pdf", "high water", "low water")
    found.ingest()
    shutil.copytree(home, home.with_name("kept"))
    return home


@pytest.fixture
def corpus(ingested: Path, sandbox: Sandbox) -> Corpus:
    shutil.rmtree(ingested)
    ingested.mkdir()
    found = Corpus(ingested, sandbox)
    shutil.rmtree(ingested)
    shutil.copytree(ingested.with_name("kept"), ingested)
    return found


def job_of(corpus: Corpus, coming: WordUnified | None = None, names: Names = NEW) -> Reembed:
    store = open_store(str(corpus.store_path))
    settings = Settings.model_validate({"store": str(corpus.store_path), "unified": OLD.unified, "pages": OLD.pages})
    live = (corpus.unified, corpus.pages)
    return Reembed(
        settings,
        store,
        live,
        (coming or Turned(), corpus.pages),
        names,
        turn=lambda store: store.writer(),
        folder=corpus.tmp_path / "folder",
        now=lambda: NOW,
    )


def fill(job: Reembed, groups: int = 10**6) -> None:
    for number, rows in enumerate(job.groups()):
        if number == groups:
            return
        job.write(job.embed(rows))


def move(corpus: Corpus) -> Reembed:
    job = job_of(corpus)
    job.begin()
    fill(job)
    job.settle()
    job.check(*job.compare())
    job.switch()
    job.label()
    return job


def best(store: Store, unified: WordUnified, query: str) -> str:
    hits = Searcher(store, unified, WordPages(), SearchWeights()).search(query, k=1, legs=("text",))
    return hits[0].source_uri.rsplit("/", 1)[-1]


def test_after_the_switch_every_row_has_the_new_model(corpus: Corpus) -> None:
    """Its vectors, its name, its recipe; nothing is stale, and nothing is embedded when an ingest runs."""
    version = corpus.store().version()
    move(corpus)
    store = open_store(str(corpus.store_path))
    rows = list(store.rows())
    vectors = store.vectors([row["id"] for row in rows])
    corpus.unified = Turned()
    again = corpus.ingest(refresh=True)

    assert store.version() > version
    assert {row["unified_model"] for row in rows} == {str(Turned.id)}
    assert {value.vector.shape for value in vectors.values() if value.vector is not None} == {(24,)}
    assert sum(value.vector is not None for value in vectors.values()) == len(rows)
    assert (again.unchanged, again.stale, again.indexed) == (13, 0, 0)
    assert best(store, Turned(), "wheel") == "01.txt"


def test_searches_see_old_or_new_and_never_a_mix(corpus: Corpus) -> None:
    """A search that began before the switch goes on with the old vectors; one with the old settings is followed."""
    before = open_store(str(corpus.store_path))
    job = job_of(corpus)
    job.begin()
    fill(job, groups=1)
    during = open_store(str(corpus.store_path))
    found = [best(before, corpus.unified, "stone"), best(during, corpus.unified, "stone")]
    fill(job)
    job.switch()
    after = open_store(str(corpus.store_path))
    found += [best(before, corpus.unified, "stone"), best(after, Turned(), "stone")]

    assert found == ["04.txt"] * 4
    with pytest.raises(ModelMismatch):
        best(after, corpus.unified, "stone")


def test_it_goes_on_where_it_was(corpus: Corpus) -> None:
    """Cut short while it fills, before the switch and before the labels, it does nothing twice."""
    first = job_of(corpus)
    first.begin()
    first.write(first.embed(next(first.groups(limit=5))))
    second = job_of(corpus, coming := Turned())
    second.begin()
    fill(second)
    third = job_of(corpus)
    third.begin()
    fill(third)
    third.switch()
    last = job_of(corpus)

    assert (first.rows, second.rows, third.rows) == (5, 11, 0)
    assert len(coming.embedded) <= 11
    assert last.is_switched
    assert not last.store.sets.labelled
    last.label()
    assert last.store.sets.labelled


def test_an_ingest_meanwhile_loses_nothing(corpus: Corpus) -> None:
    """New, changed and deleted documents between reading and writing: what changed is filled with what it is now."""
    job = job_of(corpus)
    job.begin()
    rows = next(job.groups())
    filled = job.embed(rows)
    corpus.write("00.txt", "anchor anchor anchor")
    corpus.write("new.txt", "lighthouse keeper")
    (corpus.folder / "05.txt").unlink()
    corpus.ingest(run_id="live")
    job.write(filled)
    left = job.missing()
    fill(job)
    job.switch()
    store = open_store(str(corpus.store_path))

    assert left == 2
    assert best(store, Turned(), "anchor") == "00.txt"
    assert best(store, Turned(), "lighthouse") == "new.txt"
    assert sum(store.count().values()) == len(store.vectors([row["id"] for row in store.rows()]))


def test_a_model_that_finds_less_is_not_switched_to(corpus: Corpus) -> None:
    """The gate says so with both figures, and the move can be given up."""
    job = job_of(corpus, Deaf(), Names("deaf", OLD.pages))
    job.begin()
    fill(job)
    before, after = job.compare()

    assert before > 0.9
    with pytest.raises(CanaryDrop, match="no switch"):
        job.check(before, after)
    cancel(job.store)
    store = open_store(str(corpus.store_path))
    assert store.models == Models(WordUnified.id, WordPages.id)
    assert store.sets.next is None
    assert best(store, corpus.unified, "wheel") == "01.txt"


def test_the_way_back_loses_nothing(corpus: Corpus) -> None:
    """What was written since the switch gets vectors of the old model before they are in force again."""
    move(corpus)
    corpus.unified = Turned()
    corpus.write("new.txt", "lighthouse keeper")
    corpus.ingest()
    back = job_of(corpus, WordUnified(), OLD)
    back.live = (Turned(), corpus.pages)
    names = begin_way_back(back.store)
    fill(back)
    back.switch()
    back.label()
    store = open_store(str(corpus.store_path))
    corpus.unified = WordUnified()

    assert (names, back.rows) == (OLD, 1)
    assert store.models.unified == WordUnified.id
    assert best(store, WordUnified(), "lighthouse") == "new.txt"
    assert {row["unified_model"] for row in store.rows()} == {str(WordUnified.id)}
    assert corpus.ingest(refresh=True).indexed == 0


@pytest.mark.slow
def test_the_tag_brings_back_the_table_of_before(corpus: Corpus) -> None:
    """With its models; what was written since is read again by the next ingest."""
    move(corpus)
    corpus.unified = Turned()
    corpus.write("new.txt", "lighthouse keeper")
    corpus.ingest()
    names = restore_tag(open_store(str(corpus.store_path)), "r2", NOW)
    corpus.unified = WordUnified()
    after = corpus.ingest()

    assert names == OLD
    assert (after.indexed, after.rows["text"]) == (1, 13)
    assert best(corpus.store(), WordUnified(), "lighthouse") == "new.txt"


@pytest.mark.slow
def test_old_vectors_go_after_their_time(corpus: Corpus) -> None:
    """Not before, and then there is no way back; ingests and searches go on."""
    job = move(corpus)
    kept = finish(job.store, NOW + dt.timedelta(days=1), dt.timedelta(days=7))
    gone = finish(job.store, NOW + dt.timedelta(days=8), dt.timedelta(days=7))
    corpus.unified = Turned()
    corpus.write("new.txt", "lighthouse keeper")
    corpus.ingest()

    assert (kept, gone) == (False, True)
    assert best(open_store(str(corpus.store_path)), Turned(), "lighthouse") == "new.txt"
    with pytest.raises(UsageError, match="no way back"):
        begin_way_back(job.store)


@pytest.mark.slow
def test_long_passages_are_counted_and_stay_stale(corpus: Corpus) -> None:
    """The next model reads them in pieces, and their documents wait for a reparse."""

    class Short(Turned):
        id = ModelId("short", "1", 24, "counts")
        max_tokens = 16

    job = job_of(corpus, Short(), Names("short", OLD.pages))
    job.begin()
    fill(job)
    job.switch()
    long = job.label()
    corpus.unified = Short()
    corpus.unified.max_tokens = 16
    summary = corpus.ingest()

    assert long == 6
    assert summary.stale == 6


def test_a_run_from_before_the_switch_writes_nothing(corpus: Corpus) -> None:
    """It would write the old model's vectors where nobody looks for them."""
    before = open_store(str(corpus.store_path))
    move(corpus)

    with pytest.raises(StoreError, match="switched to another model"):
        before.replace(None, ["x"])


@pytest.mark.slow
def test_an_ingest_that_knows_of_the_move_fills_both(corpus: Corpus) -> None:
    """Its rows are not left for the backfill."""
    job = job_of(corpus)
    job.begin()
    fill(job)
    corpus.write("new.txt", "lighthouse keeper")
    corpus.second = lambda _: (Turned(), corpus.pages)
    corpus.ingest()

    assert job.missing() == 0
