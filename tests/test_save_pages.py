"""Promises of `docmill search --save-pages`: pictures of pages with the places drawn in, on a small store."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest
from fakes import WordPages, WordUnified, word_vector
from PIL import Image

from cli.main import run
from pipeline.drawing import drawn
from pipeline.layout import dump_layout
from pipeline.regions import map_of_cells
from pipeline.store import Models, RowFile, doc_id, open_store
from pipeline.types import DocumentRecord, Region, Row, TextLine

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
WORDS = ("--legs", "bm25")  # needs no weights
LINES = (
    TextLine("an old letter", (20, 20, 180, 40)),
    TextLine("the harbour at night", (20, 120, 180, 140)),
    TextLine("yours truly", (20, 220, 180, 240)),
)


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A page of 200 x 300 points with its picture, a passage on it, and a passage of a file without pictures."""
    Image.new("RGB", (400, 600), "white").save(tmp_path / "page.png")
    page = Row(
        "page", 0, "\n".join(line.text for line in LINES), page=2, bbox=(0, 0, 200, 300), vector=word_vector("harbour"),
        picture=tmp_path / "page.png", layout=dump_layout(LINES, None), route="both",
    )  # fmt: skip
    passage = Row("text", 0, "harbour lights", page=2, bbox=(20, 200, 100, 250), vector=word_vector("lights"))
    other = Row("text", 0, "no harbour here", vector=word_vector("none"))
    rows = {"file:///tmp/Old%20letter%20(1).pdf": [page, passage], "file:///tmp/notes.txt": [other]}
    opened = open_store(str(tmp_path / "store"), create=Models(WordUnified.id, WordPages.id))
    records = {uri: DocumentRecord(uri, doc_id(uri), "indexed") for uri in rows}
    with RowFile.create(tmp_path / "rows.arrow", opened.models) as file:
        for uri, record in records.items():
            file.add(record, rows[uri], NOW)
    with opened.writer():
        opened.replace(RowFile.open(tmp_path / "rows.arrow"), [record.doc_id for record in records.values()])
    return opened.uri


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def reds(path: Path) -> list[int]:
    """Left, top, right and bottom of what is drawn in the colour of the best box, in pixels."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    down, across = np.nonzero((pixels[..., 0] > 150) & (pixels[..., 1] < 80) & (pixels[..., 2] < 120))
    return [across.min(), down.min(), across.max(), down.max()]


def test_the_best_place_of_a_page_is_drawn_where_it_is(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page hit has its boxes in points; its picture has them in its own pixels, and is named by rank."""
    code = run(["search", "harbour", "--store", store, "--json", "--save-pages", str(tmp_path / "new" / "out"), *WORDS])
    answer = json.loads(capsys.readouterr().out)
    hits = {hit["modality"]: hit for hit in reversed(answer["hits"])}
    saved = {one["rank"]: Path(one["path"]) for one in answer["saved"]}
    page = saved[hits["page"]["rank"]]

    assert (code, hits["page"]["bbox"], hits["page"]["page_size"]) == (0, [20, 120, 180, 140], [200, 300])
    assert hits["page"]["boxes"][0]["bbox"] == hits["page"]["bbox"]
    assert page == tmp_path / "new" / "out" / f"{hits['page']['rank']:02}-Old-letter-1-p2.jpg"
    assert size(page) == (400, 600)
    assert np.allclose(reds(page), [40, 240, 360, 280], atol=40)
    assert sorted(path.name for path in page.parent.iterdir()) == sorted(path.name for path in saved.values())


def test_a_passage_is_drawn_on_its_page(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its own box; a hit without a page picture has no file, and people are told what was written."""
    code = run(["search", "lights", "--store", store, "--save-pages", str(tmp_path / "out"), *WORDS])
    told = capsys.readouterr().out.splitlines()[-1]
    run(["search", "here", "--store", store, "--save-pages", str(tmp_path / "none"), *WORDS])

    assert (code, told) == (0, f"1 page picture in {tmp_path / 'out'}: 01-Old-letter-1-p2.jpg")
    assert np.allclose(reds(tmp_path / "out" / "01-Old-letter-1-p2.jpg"), [40, 400, 200, 500], atol=15)
    assert capsys.readouterr().out.splitlines()[-1].startswith("no page pictures: none of the hits")
    assert list((tmp_path / "none").iterdir()) == []


def test_older_pictures_are_replaced(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same search again writes the same files; other files in the folder stay."""
    command = [
        "search",
        "harbour",
        "--store",
        store,
        "--save-pages",
        str(tmp_path / "out"),
        "--modality",
        "page",
        *WORDS,
    ]
    run(command)
    (tmp_path / "out" / "mine.txt").write_text("kept")
    (tmp_path / "out" / "01-Old-letter-1-p2.jpg").write_bytes(b"older")
    code = run(command)

    assert code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["01-Old-letter-1-p2.jpg", "mine.txt"]
    assert size(tmp_path / "out" / "01-Old-letter-1-p2.jpg") == (400, 600)


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/none"])
def test_a_place_that_takes_no_files_is_bad_usage(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    """One line that names it, before anything is searched; the file is as it was."""
    (tmp_path / "file").write_text("mine")
    folder = place if place.startswith("/") else str(tmp_path / place)
    code = run(["search", "harbour", "--store", store, "--save-pages", folder, *WORDS])
    printed = capsys.readouterr()

    assert (code, printed.out, len(printed.err.splitlines())) == (2, "", 1)
    assert f"--save-pages {folder}: " in printed.err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_batch_saves_no_pages(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused, not passed over."""
    (tmp_path / "q.jsonl").write_text('{"id": 1, "text": "harbour"}\n')
    code = run(
        ["search", "--batch", str(tmp_path / "q.jsonl"), "--store", store, "--save-pages", str(tmp_path / "out")]
    )

    assert code == 2
    assert "--save-pages goes with one QUERY" in capsys.readouterr().err


def test_a_stored_picture_that_is_damaged_costs_only_itself(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warning names the hit; the hits are printed all the same."""
    opened = open_store(store)
    opened._tables.open("assets").delete("true")
    code = run(["search", "harbour", "--store", store, "--json", "--save-pages", str(tmp_path / "out"), *WORDS])
    printed = capsys.readouterr()

    assert (code, json.loads(printed.out)["saved"]) == (0, [])
    assert len(json.loads(printed.out)["hits"]) == 2  # a passage and its page are one
    assert "the stored page picture cannot be read" in printed.err


def test_a_map_colours_the_cells_that_fit() -> None:
    """Cells below the mean stay as they are, the best one is coloured most; nothing is drawn outside the picture."""
    place = map_of_cells(np.array([[0.1, 0.1], [0.5, 0.9]], np.float32), 20, 20)
    made = drawn(Image.new("RGB", (200, 200), "white"), (20, 20), [Region((0, 0, 90, 90), 1.0).bbox], place)
    plain, some, most = (made.getpixel(place) for place in ((80, 80), (50, 150), (150, 150)))

    assert plain == (255, 255, 255)
    assert most[2] < some[2] < 255
    assert made.size == (200, 200)
