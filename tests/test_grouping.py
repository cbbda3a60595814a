"""Promises of hits that show the same, of phrases, and of rows like a row; helpers are those of `test_search`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_search import NOW, image, make, names, page, searcher, text

from cli.main import run
from pipeline.errors import UsageError
from pipeline.scope import Scope
from pipeline.store import RowFile, Store, doc_id
from pipeline.types import DocumentRecord, Row

LONG = "the whale swam past the harbour at night"


def put(store: Store, tmp_path: Path, uri: str, rows: list[Row]) -> None:
    """One document with several rows."""
    with RowFile.create(tmp_path / "more.arrow", store.models) as file:
        file.add(DocumentRecord(uri, doc_id(uri), "indexed"), rows, NOW)
    with store.writer():
        store.replace(RowFile.open(tmp_path / "more.arrow"), [doc_id(uri)])


def test_a_passage_and_its_page_are_one_hit(tmp_path: Path) -> None:
    """The better of the two is the hit, the other is told of; what is on another page stays a hit of its own."""
    store = make(tmp_path, {"other": text("rope lamp")})
    scan = page("whale harbour", ["whale", "harbour"], LONG)
    put(store, tmp_path, "scan", [text(LONG), text("whale lamp of the other page", ordinal=1, page=2), scan])
    hits = searcher(store).search("whale harbour", k=5)
    one = next(hit for hit in hits if hit.also)

    assert sorted([one.modality, *(other.modality for other in one.also)]) == ["page", "text"]
    assert [(other.source_uri, other.page) for other in one.also] == [("scan", 1)]
    assert [hit.page for hit in hits if hit.source_uri == "scan"].count(1) == 1
    assert [hit.rank for hit in hits] == [1, 2, 3]


def test_copies_of_a_text_are_one_hit(tmp_path: Path) -> None:
    """The same words in three files, whatever their spaces and case; k counts what is different."""
    copies = {"a": text(LONG), "b": text(f"{LONG.upper()}."), "c": text(LONG.replace(" ", "\n"))}
    store = make(tmp_path, {**copies, "d": text(LONG + " again"), "e": text("lamp")})
    first, second = searcher(store).search("whale harbour", k=2)

    assert {first.source_uri, *(other.source_uri for other in first.also)} == {"a", "b", "c"}
    assert (second.source_uri, second.also) == ("d", ())


def test_short_texts_and_pictures_with_one_caption_stay_apart(tmp_path: Path) -> None:
    """Few words say different things in different places, and a caption is not the picture."""
    store = make(
        tmp_path, {"a": text("see whale"), "b": text("see whale"), "c": image("whale", LONG), "d": image("whale", LONG)}
    )

    assert sorted(names(searcher(store).search("whale"))) == ["a", "b", "c", "d"]


def test_the_same_figure_twice_is_one_hit(tmp_path: Path) -> None:
    """Pictures of the same bytes in two documents, with different captions; another picture stays."""
    (tmp_path / "one.png").write_bytes(b"\x89PNG one")
    (tmp_path / "two.png").write_bytes(b"\x89PNG two")
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    store = make(tmp_path, {
        "a": replace(image("whale", "Figure 1"), picture=one),
        "b": replace(image("whale lamp", "A whale"), picture=one),
        "c": replace(image("whale", "Figure 1"), picture=two),
    })  # fmt: skip
    hits = searcher(store).search("whale", modality="image")

    assert sorted(len(hit.also) for hit in hits) == [0, 1]
    assert next({hit.source_uri, hit.also[0].source_uri} for hit in hits if hit.also) == {"a", "b"}


def test_pictures_and_texts_do_not_drown_each_other(tmp_path: Path) -> None:
    """Of thirty passages and thirty pictures that all fit, several of each kind are among the first ten."""
    rows = {f"t{n:02}": text(f"whale number {n} of the harbour book") for n in range(30)}
    rows |= {f"i{n:02}": image("whale harbour") for n in range(30)}
    hits = searcher(make(tmp_path, rows)).search("whale harbour")
    kinds = [hit.modality for hit in hits]

    assert kinds.count("text") >= 2
    assert kinds.count("image") >= 2


# phrases ------------------------------------------------------------------------------------------------------


def phrase(store: Store, *phrases: str, query: str = "whale", **scope: object) -> list[str]:
    given = Scope(phrases=phrases, **scope)  # type: ignore[arg-type]
    return sorted(names(searcher(store).answer_many([query], given)[0].hits))


def test_a_phrase_wants_its_very_words(tmp_path: Path) -> None:
    """In order, next to each other, uninflected; in texts, captions and pages; several are all wanted."""
    store = make(tmp_path, {
        "yes": text("a Mill-Wheel, turning"), "order": text("wheel of the mill"), "stems": text("mills wheels"),
        "apart": text("mill and wheel"), "caption": image("lamp", "the mill wheel"),
        "page": page("rope", ["rope"], "old\nmill\nwheel"), "both": text("mill wheel, sluice gate"),
    })  # fmt: skip

    assert phrase(store, "mill wheel") == ["both", "caption", "page", "yes"]
    assert phrase(store, "mill wheel", "sluice gate") == ["both"]
    assert phrase(store, "mill wheel", modality="image") == ["caption"]
    assert phrase(store, "mill wheel", where="source_uri != 'page'", legs=("text", "bm25")) == [
        "both",
        "caption",
        "yes",
    ]


def test_a_phrase_of_common_words_is_found(tmp_path: Path) -> None:
    """The index leaves such words out; the texts have them. So it is with scripts without spaces and with accents."""
    texts = {"a": "To be, or not to be", "b": "be or to", "c": "東京都の水車小屋", "d": "im Café Müller"}
    store = make(tmp_path, {name: text(words) for name, words in texts.items()})

    assert phrase(store, "to be or not") == ["a"]
    assert phrase(store, "水車小屋") == ["c"]
    assert phrase(store, "cafe muller") == ["d"]
    assert phrase(store, "'; DROP TABLE corpus; --") == []


def test_a_phrase_that_is_nowhere_is_said(tmp_path: Path) -> None:
    """No hits, and a note that names the words."""
    answer = searcher(make(tmp_path, {"a": text("mill")})).answer_many(["mill"], Scope(phrases=("mill wheel",)))[0]

    assert answer.hits == ()
    assert answer.notes == ("no row has the exact words 'mill wheel'",)


def test_quotes_are_an_operator_for_people_and_data_in_a_batch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """QUERY reads them; a line of a batch says `phrases`."""
    store = make(tmp_path, {"a": text("mill wheel"), "b": text("wheel mill")})
    lines = ['{"id": 1, "text": "\\"mill wheel\\""}', '{"id": 2, "text": "mill", "phrases": ["wheel mill"]}']
    (tmp_path / "batch").write_text("\n".join(lines))
    run(["search", '"mill wheel"', "--store", store.uri, "--legs", "bm25", "--json"])
    run(["search", "--batch", str(tmp_path / "batch"), "--store", store.uri, "--legs", "bm25", "--json"])
    found = [names_of(line) for line in capsys.readouterr().out.splitlines()]

    assert found == [["a"], ["a", "b"], ["b"]]


def names_of(line: str) -> list[str]:
    return sorted(hit["source_uri"] for hit in json.loads(line)["hits"])


# similar ------------------------------------------------------------------------------------------------------


def test_what_is_like_a_row_is_found_without_it(tmp_path: Path) -> None:
    """A passage finds passages and pictures, a page pages first, a picture pictures first; filters hold."""
    store = make(tmp_path, {
        "t1": text("whale whale rope"), "t2": text("whale rope rope"), "t3": text("lamp"),
        "i1": image("whale"), "i2": image("whale rope"),
        "p1": page("whale lamp", ["whale", "lamp"], "x"), "p2": page("whale lamp", ["whale", "lamp", "rope"], "y"),
    })  # fmt: skip
    ask = searcher(store)

    def like(kind: str, name: str, **scope: object) -> list[str]:
        return names(ask.answer_similar(f"{doc_id(name)}:{kind}:0", Scope(**scope)).hits)  # type: ignore[arg-type]

    assert like("text", "t1", modality="text") == ["t2", "t3"]
    assert like("image", "i1")[0] == "i2"
    assert like("page", "p1")[0] == "p2"
    assert "t1" not in like("text", "t1", k=20)
    assert like("text", "t1", where="source_uri = 't3'") == ["t3"]


def test_similar_as_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line of JSON with the id; an id that is not there, or whose row has no vector, is bad usage."""
    store = make(tmp_path, {"a": text("whale"), "b": text("whale rope"), "bare": replace(text("x"), vector=None)})
    ids = {name: f"{doc_id(name)}:text:0" for name in ("a", "bare")}
    codes = [run(["similar", id, "--store", store.uri, "--json"]) for id in (ids["a"], "none", "a:b", ids["bare"])]
    printed = capsys.readouterr()
    answer = json.loads(printed.out)

    assert codes == [0, 2, 2, 2]
    assert (answer["id"], [hit["source_uri"] for hit in answer["hits"]]) == (ids["a"], ["b"])
    assert len(printed.err.splitlines()) == 3


def test_a_missing_row_is_named(tmp_path: Path) -> None:
    """The message has the id and says where ids come from."""
    with pytest.raises(UsageError, match=r"no row 'x:text:9'.*docmill rows"):
        searcher(make(tmp_path, {"a": text("whale")})).answer_similar("x:text:9")
