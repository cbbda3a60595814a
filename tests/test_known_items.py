"""Questions from the corpus are asked of rows that no longer hold them: no string is found by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus import Corpus
from fakes import WordPages, WordUnified
from PIL import Image

from pipeline.config import SearchWeights
from pipeline.evaluate import Report, measured
from pipeline.evaluate.hold_out import HeldOut, hold_out, sample
from pipeline.evaluate.known_items import holds, is_telling, known_items, without
from pipeline.evaluate.places import Place
from pipeline.search import Searcher
from pipeline.store import Store

FILLER = "ordinary words that fill the passage so that it has something to say about its own matter here. "


@pytest.fixture
def corpus(corpus: Corpus) -> Corpus:
    """A guide with two sections, a note that quotes a heading, and a picture named in words."""
    guide = f"# Guide\n\n## Repairing the sluice gate\n\n{FILLER} boards {FILLER}\n\n## Feeding elderly millers\n\n"
    corpus.write("guide.md", f"{guide}{FILLER} porridge {FILLER}\n")
    corpus.write("note.txt", f"See the part called repairing  the sluice\ngate for more. {FILLER}")
    corpus.write("short.md", "# Introduction\n\nshort\n")
    Image.new("RGB", (320, 240), "navy").save(corpus.folder / "evening harbour lights.png")
    corpus.ingest()
    return corpus


def held(corpus: Corpus, folder: Path, count: int = 50) -> HeldOut:
    folder.mkdir()
    return hold_out(corpus.store(), WordUnified(), WordPages(), count=count, folder=folder)


def texts(store: Store) -> list[str]:
    return [" ".join([row["title"], *row["headings"], row["text"]]) for row in store.rows()]


def texts_of(store: Store, id: str) -> str:
    row = store.fetch([id])[id]
    return "|".join([row["title"], *row["headings"], row["text"]])


def test_the_questions_texts_are_not_in_what_is_searched(corpus: Corpus, tmp_path: Path) -> None:
    """Neither in passages nor in the titles, headings and captions that they are embedded with; all else is there."""
    found = held(corpus, tmp_path / "held")
    asked = {one.query.text: one for one in found.queries}

    assert set(asked) == {"Repairing the sluice gate", "Feeding elderly millers", "evening harbour lights"}
    assert [text for text in texts(found.store) if holds(text, "Feeding elderly millers")] == []
    assert [text for text in texts(found.store) if holds(text, "evening harbour lights")] == []
    assert found.store.count() == corpus.store().count()
    assert any(holds(text, "porridge") for text in texts(found.store))
    uri = (corpus.folder / "guide.md").as_uri()
    assert asked["Feeding elderly millers"].grades == {Place(uri): 1.0}


def test_vectors_are_made_again_without_them(corpus: Corpus, tmp_path: Path) -> None:
    """Vectors of rows that are asked about differ from the stored ones, the others are the stored ones."""
    found, store = held(corpus, tmp_path / "held"), corpus.store()
    ids = list(store.row_ids())
    before, after = store.vectors(ids), found.store.vectors(ids)
    same = {id for id in ids if (before[id].vector == after[id].vector).all()}
    asked = {id for id in ids if any(holds(texts_of(store, id), one.query.text) for one in found.queries)}

    assert asked - same
    assert same >= {id for id in ids if texts_of(store, id) == texts_of(found.store, id)}


def test_rows_that_quote_a_question_count_for_neither_side(corpus: Corpus, tmp_path: Path) -> None:
    """The note that names a section is the best match by its words, and is left out of the ranking."""
    found = held(corpus, tmp_path / "held")
    query = next(one for one in found.queries if one.query.text.startswith("Repairing"))
    (note,) = [row["id"] for row in corpus.store().rows() if row["source_uri"].endswith("note.txt")]

    assert found.left_out[query.query.id] == {note}


def report(corpus: Corpus, found: HeldOut) -> Report:
    unified, pages = WordUnified(), WordPages()
    live, copy = (Searcher(store, unified, pages, SearchWeights()) for store in (corpus.store(), found.store))
    return measured(copy, found.queries, "itself", known_items=True, left_out=found.left_out, live=live)


def test_what_can_only_be_found_by_its_own_text_is_not_found(corpus: Corpus, tmp_path: Path) -> None:
    """The picture has nothing but its name, so that no leg of words finds it first by right."""
    found = held(corpus, tmp_path / "held")
    section = report(corpus, found).section("image")

    assert section is not None
    assert section.leg("bm25").figures["recall@10"].value == 0


def test_the_same_corpus_gives_the_same_questions(corpus: Corpus) -> None:
    """And fewer of them are the first of more."""
    rows = sample(corpus.store(), 1000)

    assert known_items(rows, 50) == known_items(list(rows), 50)
    assert len([item for item in known_items(rows, 1) if item.kind == "heading"]) == 1


def test_a_large_corpus_is_sampled_by_whole_documents(corpus: Corpus) -> None:
    """Pictures have their share of the room."""
    rows = sample(corpus.store(), 3)
    by_document = {row["doc_id"] for row in rows}

    assert len(rows) <= 3
    assert "image" in {row["modality"] for row in rows}
    assert len(rows) == sum(sum(corpus.store().documents_held()[doc].rows.values()) for doc in by_document)


def test_texts_that_say_nothing_are_not_asked() -> None:
    """Numbers, single words, file names of cameras; whole sentences of many words."""
    assert not any(map(is_telling, ("Introduction", "4", "DSC 1234", "3.1 Of", "word " * 16, "")))
    assert all(map(is_telling, ("Opening hours", "Предисловие автора", "修理の手順について")))
    assert without("Repair.\nText", "Other") == "Repair.\nText"
