"""Promises of a search, with the real store and embedders that compute."""

from __future__ import annotations

import datetime as dt
import doctest
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from fakes import DIM, WordPages, WordUnified

from cli import hits as hits_module
from cli import output as output_module
from pipeline import mix as mix_module
from pipeline import search as search_module
from pipeline.config import SearchWeights
from pipeline.embed import Frequencies
from pipeline.errors import ModelMismatch, UsageError
from pipeline.mix import mix
from pipeline.search import Answer, Scope, Searcher
from pipeline.store import Models, RowFile, Store, doc_id, open_store
from pipeline.types import DocumentRecord, ModelId, PictureInput, QueryTokens, Row, Vectors

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
WORDS = {"whale": 0, "harbour": 1, "lamp": 2, "rope": 3}


class Known(WordUnified):
    """Four words have an axis each, all others share the last one: cosines are exact. A picture is its file's stem."""

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        return np.stack([known(text) for text in texts])

    def embed_pictures(self, pictures: Sequence[PictureInput]) -> Vectors:
        return self.embed_texts([picture.path.stem for picture in pictures])


class KnownPages(WordPages):
    def embed_query(self, text: str, frequencies: Frequencies | None = None) -> QueryTokens:
        vectors = np.stack([known(word) for word in text.split()])
        return QueryTokens(vectors, np.ones(len(vectors), np.float32))


def known(text: str) -> Vectors:
    vector = np.zeros(DIM, np.float32)
    for word in text.lower().split():
        vector[WORDS.get(word, DIM - 1)] += 1
    return vector / np.linalg.norm(vector)


def text(words: str, **values: object) -> Row:
    return replace(Row("text", 0, words, page=1, vector=known(words), route="text"), **values)  # type: ignore[arg-type]


def image(words: str, caption: str = "") -> Row:
    return Row("image", 0, caption, vector=known(words), route="image")


def page(dense: str, lines: Sequence[str], written: str = "") -> Row:
    vectors = np.stack([known(line) for line in lines]).astype(np.float16)
    return Row(
        "page", 0, written, page=1, bbox=(0, 0, 595, 842), vector=known(dense), multivector=vectors, route="page"
    )


def make(tmp_path: Path, rows: dict[str, Row], media_type: str = "text/plain") -> Store:
    """A store with one document for each row, named as in `rows`."""
    store = open_store(str(tmp_path / "store"), create=Models(Known.id, KnownPages.id))
    records = [
        DocumentRecord(name, doc_id(name), "indexed", media_type="image/png" if row.modality == "image" else media_type)
        for name, row in rows.items()
    ]
    with RowFile.create(tmp_path / "rows.arrow", store.models) as file:
        for record, row in zip(records, rows.values(), strict=True):
            file.add(record, [row], NOW)
    with store.writer():
        store.replace(RowFile.open(tmp_path / "rows.arrow"), [record.doc_id for record in records])
        store.refresh_indexes()
    return store


def searcher(store: Store, **weights: float) -> Searcher:
    return Searcher(store, Known(), KnownPages(), SearchWeights(**weights))


def names(hits: Sequence[object]) -> list[str]:
    return [hit.source_uri for hit in hits]  # type: ignore[attr-defined]


def test_vectors_and_words_add_up(tmp_path: Path) -> None:
    """A passage found by both legs stands before one found by vectors alone; ranks and scores of legs are told."""
    store = make(tmp_path, {"a": text("whale whale lamp"), "b": text("rope harbour"), "c": text("whale whale rope")})
    first, second, third = searcher(store).search("whale rope")

    assert names([first, second, third]) == ["c", "a", "b"]
    assert first.legs["text"] == {"rank": 1, "score": pytest.approx(3 / np.sqrt(10), abs=1e-5)}
    assert first.legs["bm25"]["rank"] == 1
    assert first.score == pytest.approx(2 / 61)
    assert (first.rank, first.modality, first.page, first.route, first.bbox) == (1, "text", 1, "text", None)


def test_equal_rows_come_in_the_same_order_every_time(tmp_path: Path) -> None:
    """Ties are broken by id, so a search says the same twice."""
    store = make(tmp_path, {f"doc-{n}": text("whale") for n in range(9)})
    found = [hit.id for hit in searcher(store).search("whale", k=9)]

    assert found == sorted(found)
    assert found == [hit.id for hit in searcher(store).search("whale", k=9)]


def test_fewer_hits_are_the_first_of_more(tmp_path: Path) -> None:
    """k cuts the ranking and does not change it."""
    store = make(tmp_path, {f"doc-{n}": text("whale " * n + "rope lamp") for n in range(1, 30)})
    many = searcher(store).search("whale lamp", k=20)

    assert names(searcher(store).search("whale lamp", k=3)) == names(many)[:3]


def test_a_modality_is_chosen_before_candidates_are(tmp_path: Path) -> None:
    """The one picture is found although more passages than a leg has candidates fit the query better."""
    passages = {f"doc-{n:03}": text("whale") for n in range(search_module.DEPTH + 20)}
    store = make(tmp_path, {**passages, "picture": image("whale rope lamp")})
    hits = searcher(store).search("whale", modality="image")

    assert names(hits) == ["picture"]
    assert set(hits[0].legs) == {"image"}


def test_a_filter_is_put_before_candidates_are_chosen(tmp_path: Path) -> None:
    """`where` reaches the one document it names, however far down it would rank."""
    store = make(tmp_path, {**{f"doc-{n:03}": text("whale") for n in range(120)}, "last": text("rope lamp whale")})

    assert names(searcher(store).search("whale", where="source_uri = 'last'")) == ["last"]
    with pytest.raises(UsageError, match="colour"):
        searcher(store).search("whale", where="colour = 'red'")


def test_late_interaction_orders_pages(tmp_path: Path) -> None:
    """MaxSim: two lines that each hold a word of the query beat one line that holds half of each."""
    pages = {
        "half": page("lamp", ["whale rope"]),
        "full": page("lamp", ["whale", "rope"]),
        "none": page("lamp", ["lamp"]),
    }
    answer = searcher(make(tmp_path, pages)).answer_many(["whale rope"], Scope(legs=("maxsim",)))[0]

    assert names(answer.hits) == ["full", "half", "none"]
    assert answer.hits[0].legs["maxsim"] == {"rank": 1, "score": pytest.approx(1, abs=1e-3)}
    assert answer.pages == "exact over all 3 pages"


def test_many_pages_are_scored_by_candidates(tmp_path: Path) -> None:
    """Beyond the exact limit MaxSim scores the best pages of every leg, and says so."""
    store = make(
        tmp_path, {"a": page("whale", ["whale"]), "b": page("rope", ["rope"], "whale"), "c": page("lamp", ["lamp"])}
    )
    chosen = Searcher(store, Known(), KnownPages(), SearchWeights(), exact_pages=2)
    answer = chosen.answer_many(["whale"], Scope(modality="page"))[0]

    assert answer.pages == "exact over 3 of 3 pages, candidates by many vectors, one, and BM25"
    assert names(answer.hits) == ["a", "b", "c"]


def test_a_row_that_goes_away_during_a_search_is_left_out(tmp_path: Path) -> None:
    """An ingest beside a search may delete what a leg has just found; the other hits close ranks."""
    store = make(tmp_path, {"a": text("mill wheel"), "b": text("mill")})
    lost = searcher(store).search("mill wheel")[0].id

    class Shrinking(Store):
        def fetch(self, ids: Sequence[str], columns: Sequence[str] | None = None) -> dict[str, dict[str, object]]:
            return super().fetch([id for id in ids if id != lost], columns)

    store.__class__ = Shrinking
    hits = searcher(store).search("mill wheel")

    assert [hit.rank for hit in hits] == [1]
    assert hits[0].id != lost


def test_a_picture_that_fits_is_not_drowned(tmp_path: Path) -> None:
    """A picture without a word comes first when its vector fits and the passages' do not."""
    passages = {f"doc-{n:02}": text("harbour " * n + "harbour lamp rope") for n in range(20)}
    store = make(tmp_path, {**passages, "picture": image("whale"), "other": image("harbour lamp")})

    assert names(searcher(store).search("whale", k=1)) == ["picture"]


def test_pictures_that_do_not_fit_leave_the_words_alone(tmp_path: Path) -> None:
    """Pictures far from the query change nothing among the first ten."""
    passages = {f"doc-{n:02}": text("whale " * (n + 1) + "harbour") for n in range(12)}
    (tmp_path / "plain").mkdir()
    plain = make(tmp_path / "plain", passages)
    mixed = make(tmp_path, {**passages, **{f"picture-{n}": image("rope lamp") for n in range(9)}})
    alone, beside = searcher(plain).search("whale"), searcher(mixed).search("whale")

    assert names(beside) == names(alone)


def test_a_model_whose_pictures_score_low_still_shows_one() -> None:
    """With all picture cosines below all text cosines, a picture that stands out among pictures keeps a place."""
    texts = [(f"t{n:02}", 0.8 - n / 1000) for n in range(50)]
    pictures = [("p0", 0.3), *((f"p{n}", 0.1) for n in range(1, 9))]
    words = {"text": [(f"t{n:02}", 9.0 - n) for n in range(9)]}
    ranking = [id for id, _ in mix({"text": texts, "image": pictures}, words, {"image": 0.9})]

    assert ranking[:10] == ["t00", "t01", "t02", "t03", "t04", "t05", "t06", "p0", "t07", "p1"]


def test_a_photo_without_words_is_not_behind_figures_with_some(tmp_path: Path) -> None:
    """What is seen counts for a picture without words: figures that look otherwise and share a word come behind it."""
    figures = {f"figure-{n}": image("whale rope rope rope", f"figure {n} of the whale") for n in range(9)}
    others = {f"other-{n:02}": image("whale harbour rope") for n in range(30)}
    store = make(tmp_path, {**figures, **others, "photo": image("whale harbour")})
    hits = searcher(store).search("whale harbour", modality="image")

    assert names(hits)[0] == "photo"


def test_a_page_does_not_win_by_having_more_legs() -> None:
    """A page that is rank 1 of its own two legs stands behind passages with better cosines."""
    texts = [("t0", 0.9), ("t1", 0.8), ("t2", 0.7)]
    ranking = mix({"text": texts, "page": [("p0", 0.2)], "maxsim": [("p0", 0.5)]}, {}, {})

    assert [id for id, _ in ranking] == ["t0", "t1", "t2", "p0"]


def test_search_by_picture_finds_it_first(tmp_path: Path) -> None:
    """The picture itself is the best hit; a passage that says what it shows keeps a place."""
    pictures = {f"picture-{n}": image("whale " * n + "rope") for n in range(1, 12)}
    store = make(tmp_path, {**pictures, "same": image("whale"), "words": text("whale")})
    found = names(searcher(store).search_picture(tmp_path / "whale.png"))

    assert found[0] == "same"
    assert found[7] == "words"


def test_an_empty_query_is_refused_and_an_empty_store_says_so(tmp_path: Path) -> None:
    """No words: an error that tells what to do. No rows: no hits and a note."""
    empty = open_store(str(tmp_path / "empty"), create=Models(Known.id, KnownPages.id))

    with pytest.raises(UsageError, match="at least one word"):
        searcher(empty).search(" \n")
    assert searcher(empty).answer_many(["whale"]) == [Answer(notes=(search_module.EMPTY,))]


def test_a_long_query_is_reported(tmp_path: Path) -> None:
    """A query over the model's budget is never cut in silence."""
    store = make(tmp_path, {"a": text("whale")})
    short, long = searcher(store).answer_many(["whale", "whale " * 41])

    assert short.notes == ()
    assert "41 tokens" in long.notes[0]


def test_words_alone_need_no_model(tmp_path: Path) -> None:
    """With only BM25 nothing is embedded, and a table of another model can be searched."""
    store = make(tmp_path, {"a": text("whale"), "b": text("rope")})
    model = Known()
    model.id = ModelId("other", "1", DIM, "counts")
    other = Searcher(store, model, KnownPages(), SearchWeights())

    assert names(other.search("rope", legs=("bm25",))) == ["b"]
    with pytest.raises(ModelMismatch, match="other@1"):
        other.search("rope")


@pytest.mark.parametrize("bad", [{"k": 0}, {"legs": ("text", "colour")}])
def test_a_scope_that_makes_no_sense_is_refused(bad: dict[str, object]) -> None:
    """k below 1 and unknown legs are errors, not empty answers."""
    with pytest.raises(UsageError):
        Scope(**bad)  # type: ignore[arg-type]


def test_a_leg_of_weight_zero_finds_nothing(tmp_path: Path) -> None:
    """A weight of 0 in the settings turns the leg off."""
    store = make(tmp_path, {"a": text("whale"), "b": text("harbour")})

    assert names(searcher(store, text=0).search("whale")) == ["a"]


@pytest.mark.parametrize("module", [mix_module, output_module, hits_module])
def test_the_examples_in_the_docstrings_run(module: ModuleType) -> None:
    """Worked examples of mixing and printing are true."""
    assert doctest.testmod(module).failed == 0
