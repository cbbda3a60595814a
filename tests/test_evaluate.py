"""Promises of an evaluation: figures that can be worked out by hand, leg by leg, kind by kind, with the real store."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_search import image, make, page, searcher, text

from cli.main import run
from pipeline.errors import UsageError
from pipeline.evaluate import Report, evaluate, judged
from pipeline.evaluate.figures import METRICS, figures, interval, of_query
from pipeline.evaluate.judgements import Query
from pipeline.store import Store

ROWS = {
    "file:///whale.txt": text("whale"),
    "file:///both.txt": text("whale harbour"),
    "file:///lamp.jpg": image("lamp", "a lamp"),
    "file:///rope.pdf": page("rope", ["rope", "harbour"], "rope"),
}


def report(store: Store, *queries: Query) -> Report:
    return evaluate(searcher(store), judged(store, queries), "hand")


def test_figures_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    """One answer first and one second: nDCG 1 and 1 / log2(3), reciprocal ranks 1 and 1 / 2."""
    store = make(tmp_path, {name: row for name, row in ROWS.items() if name.endswith(".txt")})
    found = report(store, Query("1", "whale", {"whale.txt": 1.0}), Query("2", "whale", {"both.txt": 1.0}))
    section = found.section("text")

    assert section is not None
    assert [section.to for section in found.sections] == ["text"]
    values = {name: figure.value for name, figure in section.leg("text").figures.items()}
    assert values == pytest.approx(
        {"ndcg@10": (1 + 1 / np.log2(3)) / 2, "recall@1": 0.5, "recall@5": 1, "recall@10": 1, "mrr": 0.75}, abs=1e-4
    )
    assert section.leg("all legs").figures["recall@1"].value == section.leg("bm25").figures["recall@1"].value == 0.5


def test_each_kind_of_answer_is_measured_apart(tmp_path: Path) -> None:
    """A query counts where its answers have rows, asked of rows of that kind alone; and of all rows together."""
    found = report(
        make(tmp_path, ROWS),
        Query("1", "whale", {"whale.txt": 1.0}),
        Query("2", "lamp", {"lamp.jpg": 1.0}),
        Query("3", "rope", {"rope.pdf#1": 1.0}),
    )
    legs = {section.to: [leg.name for leg in section.legs] for section in found.sections}

    assert {section.to: section.queries for section in found.sections} == {"any": 3, "text": 1, "image": 1, "page": 1}
    assert legs["image"] == ["all legs", "image", "bm25"]
    assert legs["page"] == ["all legs", "page", "maxsim", "bm25"]
    assert all(section.leg().figures["recall@1"].value == 1 for section in found.sections)
    assert set(found.latency_ms) == {"p50", "p90", "p95", "p99"}


def test_a_query_may_be_meant_for_one_kind(tmp_path: Path) -> None:
    """Then other rows of its answer are not asked."""
    found = report(make(tmp_path, ROWS), Query("1", "whale", {"whale.txt": 1.0}, "image"))

    assert [section.to for section in found.sections] == ["any", "image"]
    assert found.sections[1].leg().figures["recall@10"].value == 0


def test_an_answer_that_is_not_there_counts_as_not_found(tmp_path: Path) -> None:
    """And is told; without any answer in the store there is nothing to measure."""
    store = make(tmp_path, ROWS)
    found = report(store, Query("1", "whale", {"whale.txt": 1.0, "gone.txt": 1.0}))

    assert found.missing == 1
    assert found.sections[0].leg().figures["recall@10"].value == 0.5
    assert any("1 answer is not in the store" in note and "gone.txt" in note for note in found.notes)
    with pytest.raises(UsageError, match="none of the 1 answers is in it"):
        judged(store, [Query("1", "whale", {"gone.txt": 1.0})])


def test_intervals_hold_the_mean_and_are_the_same_each_time() -> None:
    """They shrink as queries are added, by the root of their number; the seed decides the draw."""
    lot = np.random.default_rng(0)
    few, many = lot.random((25, 1)), lot.random((2500, 1))
    (low, high), again = interval(few, 7), interval(few, 7)
    narrow = np.subtract(*interval(many, 7)[::-1])

    assert low[0] < few.mean() < high[0]
    assert (low, high) == again
    assert 7 < ((high - low) / narrow)[0] < 14
    assert figures(np.zeros((0, len(METRICS)))) == {}
    assert list(figures(np.array([of_query(["a"], {"a": 1})]))) == list(METRICS)


def test_mistakes_are_one_line_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file, a store that is not there, a store without rows."""
    queries = tmp_path / "q.jsonl"
    queries.write_text(json.dumps({"text": "whale", "answers": ["whale.txt"]}))
    (tmp_path / "empty").mkdir()
    empty = make(tmp_path / "empty", {}).uri

    for arguments, message in [
        ([str(tmp_path / "none.tsv")], "none.tsv: cannot be read"),
        ([str(queries), "--store", str(tmp_path / "none")], "docmill ingest"),
        ([str(queries), "--store", empty], "nothing is indexed yet"),
        (["--unpack", str(tmp_path / "x")], "--unpack and --qrels go with QUERIES"),
    ]:
        assert run(["evaluate", *arguments]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
        assert message in line
