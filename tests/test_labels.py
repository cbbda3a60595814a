"""Labels of routes: honoured by a backfill and by later reads, for the bytes that they were given for."""

from __future__ import annotations

import json

import pytest
from corpus import NOW, Corpus
from test_backfill import done, started
from test_reuse import graphics

from cli.main import run
from pipeline.backfill.choice import Choice
from pipeline.backfill.read import Rereading
from pipeline.backfill.reroute import reroute
from pipeline.errors import UsageError
from pipeline.labelled import label_of
from pipeline.store import RoutedPage

WORDS = "The mill at the river turns when the tide goes out and the sluice is open. " * 5


@pytest.fixture(autouse=True)
def two_pages(corpus: Corpus) -> None:
    """A PDF of two pages that are routed to `both`, ingested."""
    graphics(corpus.folder / "a.pdf", WORDS, WORDS.replace("river", "sea"))
    corpus.ingest()


def page(corpus: Corpus, number: int) -> RoutedPage:
    return next(page for page in corpus.store().routed_pages() if page.page == number)


def routes(corpus: Corpus) -> dict[int | None, str]:
    return {page.page: page.route.path for page in corpus.store().routed_pages()}


def reroute_all(corpus: Corpus) -> int:
    """How many sources were read for it."""
    again = started(corpus)
    try:
        work = reroute(again.store, Choice(), again.recipes).work
        done(Rereading(again, "reroute", work))
    finally:
        again.close()
    return len(work.sources)


def test_a_backfill_gives_a_page_the_route_that_its_label_says(corpus: Corpus) -> None:
    """Read once for it; later runs, even those that read all again, keep it."""
    corpus.store().label_route(label_of(page(corpus, 2), "text", NOW))
    read = [reroute_all(corpus), reroute_all(corpus)]
    corpus.ingest(refresh=True)

    assert read == [1, 0]
    assert routes(corpus) == {1: "both", 2: "text"}
    assert page(corpus, 2).route.reason == "labelled"


def test_a_label_that_is_taken_back_leaves_it_to_the_rule(corpus: Corpus) -> None:
    """The next backfill routes the page as the rule says."""
    corpus.store().label_route(label_of(page(corpus, 2), "text", NOW))
    reroute_all(corpus)
    corpus.store().unlabel_route(page(corpus, 2).doc_id, 2)
    read = reroute_all(corpus)

    assert (read, routes(corpus)) == (1, {1: "both", 2: "both"})
    assert corpus.store().route_labels() == []


def test_a_label_holds_for_the_bytes_it_was_given_for(corpus: Corpus) -> None:
    """Of a file that changed since, nobody has said anything."""
    corpus.store().label_route(label_of(page(corpus, 1), "text", NOW))
    graphics(corpus.folder / "a.pdf", "Another first page. " + WORDS)
    corpus.ingest()

    assert (reroute_all(corpus), routes(corpus)) == (0, {1: "both"})


def test_a_page_that_should_go_by_its_picture_is_read_by_ocr(corpus: Corpus) -> None:
    """The text layer of a page that a person sends to `page` is neither passages nor what is read on it."""
    corpus.store().label_route(label_of(page(corpus, 1), "page", NOW))
    reroute_all(corpus)
    rows = [row for row in corpus.store().rows() if row["page"] == 1]

    assert {row["modality"] for row in rows} == {"image", "page"}
    assert next(row["text"] for row in rows if row["modality"] == "page").startswith("ink ")


def test_a_second_label_takes_the_place_of_the_first(corpus: Corpus) -> None:
    """One a page; it says what it was given for."""
    for path in ("text", "page"):
        corpus.store().label_route(label_of(page(corpus, 1), path, NOW))
    (label,) = corpus.store().route_labels()

    assert (label.path, label.was, label.page, label.labelled_at) == ("page", "both", 1, NOW)
    assert label.content_sha256 == page(corpus, 1).content_sha256


def test_a_page_cannot_take_the_path_of_a_picture(corpus: Corpus) -> None:
    """Said before anything is stored."""
    with pytest.raises(UsageError, match="text, page, both"):
        label_of(page(corpus, 1), "image", NOW)


def test_the_command_prints_labels_as_json_lines(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    """One object a label, with the signals as an object: examples to judge another rule by."""
    corpus.store().label_route(label_of(page(corpus, 2), "text", NOW))
    code = run(["labels", "--store", str(corpus.store_path), "--json"])
    value = json.loads(capsys.readouterr().out)

    assert code == 0
    assert (value["page"], value["path"], value["was"], value["reason"]) == (2, "text", "both", "text+graphics")
    assert value["signals"]["drawings"] >= 400
