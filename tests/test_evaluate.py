"""Promises of an evaluation: figures that can be worked out by hand, leg by leg, kind by kind, with the real store."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_rerank import Longest, reranking
from test_search import image, make, page, searcher, text

from cli.main import run
from pipeline.config import SearchWeights, Settings
from pipeline.errors import UsageError
from pipeline.evaluate import Report, judged, measured
from pipeline.evaluate.compare import compared, other_settings
from pipeline.evaluate.figures import METRICS, figures, interval, of_query
from pipeline.evaluate.judgements import Query
from pipeline.evaluate.measure import ask
from pipeline.evaluate.places import Rows
from pipeline.evaluate.report import Tuned
from pipeline.evaluate.trec import run_lines
from pipeline.evaluate.tune import tune
from pipeline.store import Store

ROWS = {
    "file:///whale.txt": text("whale"),
    "file:///both.txt": text("whale harbour"),
    "file:///lamp.jpg": image("lamp", "a lamp"),
    "file:///rope.pdf": page("rope", ["rope", "harbour"], "rope"),
}


WHALE = Query("1", "whale", {"whale.txt": 1.0})


def report(store: Store, *queries: Query) -> Report:
    return measured(searcher(store), judged(store, queries), "hand")


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


def test_a_cross_encoder_is_measured_beside_the_ranking_that_it_reads(tmp_path: Path) -> None:
    """All legs are what a search gives with it; a line of their own tells what they are without."""
    rows = {"file:///whale.txt": text("whale"), "file:///long.txt": text("whale harbour harbour harbour")}
    found = measured(reranking(store := make(tmp_path, rows), Longest()), judged(store, [WHALE]), "hand")

    assert [leg.name for leg in found.sections[0].legs][:2] == ["all legs", "not reranked"]
    assert [leg.figures["recall@1"].value for leg in found.sections[0].legs[:2]] == [0, 1]


def test_a_query_may_be_meant_for_one_kind(tmp_path: Path) -> None:
    """Then other rows of its answer are not asked."""
    found = report(make(tmp_path, ROWS), Query("1", "whale", {"whale.txt": 1.0}, "image"))

    assert [section.to for section in found.sections] == ["any", "image"]
    assert found.sections[1].leg().figures["recall@10"].value == 0


def test_rankings_are_told_in_the_names_of_the_judgements(tmp_path: Path) -> None:
    """So that other tools can measure them with the same judgements."""
    found = report(make(tmp_path, ROWS), Query("a b", "whale", {"both": 1.0, "whale": 1.0}))
    lines = list(run_lines(found.runs))

    assert lines[0] == "a%20b Q0 whale 1 1.000000 docmill"
    assert lines[1].split()[2] == "both"
    assert lines[2].split()[2].startswith("file:///")


def test_an_answer_that_is_not_there_counts_as_not_found(tmp_path: Path) -> None:
    """And is told; without any answer in the store there is nothing to measure."""
    store = make(tmp_path, ROWS)
    found = report(store, Query("1", "whale", {"whale.txt": 1.0, "gone.txt": 1.0}))

    assert found.missing == 1
    assert found.sections[0].leg().figures["recall@10"].value == 0.5
    assert any("1 answer is not in the store" in note and "gone.txt" in note for note in found.notes)
    with pytest.raises(UsageError, match="none of the answers is in it"):
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


def tuned(store: Store, queries: list[Query], **weights: float) -> Tuned:
    one = searcher(store, **weights)
    asked = list(ask(one, judged(store, queries)))
    return tune(one, asked, SearchWeights(**weights).model_dump(), Rows(store))


def test_weights_are_fitted_on_half_and_tested_on_the_other(tmp_path: Path) -> None:
    """Where words mislead and vectors do not, BM25 loses weight, and the queries that were held out gain by it."""
    rows = {f"file:///{n}.txt": replace(text("whale harbour"), text=f"word{n}") for n in range(30)}
    right = {f"file:///right{n}.txt": replace(text("lamp"), text="nothing") for n in range(1)}
    queries = [Query(f"{n}", f"lamp word{n}", {"right0.txt": 1.0}) for n in range(30)]
    found = tuned(make(tmp_path, rows | right), queries, text=0.5)

    assert (found.fitted_on, found.tested_on) == (15, 15)
    assert found.weights["bm25"] / found.weights["text"] < 2
    assert found.after.value > found.before.value
    assert found.helps
    assert f"bm25 = {found.weights['bm25']:g}" in found.setting
    assert found.weights["page"] == 1.0


def test_weights_stay_where_nothing_is_gained(tmp_path: Path) -> None:
    """Perfect is perfect; and fewer queries than can be split are refused."""
    store = make(tmp_path, ROWS)
    queries = [Query(f"{n}", "whale", {"whale.txt": 1.0}) for n in range(20)]
    found = tuned(store, queries)

    assert found.weights == SearchWeights().model_dump()
    assert not found.helps
    assert "keep the weights as they are" in found.told
    with pytest.raises(UsageError, match="--tune needs 20 queries"):
        tuned(store, queries[:19])


def test_two_reports_are_compared_query_by_query(tmp_path: Path) -> None:
    """The difference is of the queries that both have; the same report twice differs by nothing."""
    store = make(tmp_path, ROWS)
    queries = [Query("1", "whale", {"whale.txt": 1.0}), Query("2", "whale", {"both.txt": 1.0})]
    one, other = report(store, *queries), report(store, queries[0], Query("3", "harbour", {"both.txt": 1.0}))
    found = compared(("a", "b"), one, other)

    assert found.differences["text → text"].value == 0
    assert found.contract()["models"] == ["a", "b"]
    assert compared(("a", "a"), one, one).differences["text → anything"].high == 0


def test_the_model_to_compare_with_is_named_by_its_setting() -> None:
    """A bare name is `unified`; the store's own model is no comparison."""
    settings = Settings(store="/nowhere")

    assert other_settings(settings, "nomic-v1.5").unified == "nomic-v1.5"
    assert other_settings(settings, "pages=colsmol-256m").pages_model == "colsmol-256m"
    assert other_settings(settings, "text=bge").text == "bge"
    for wrong in ("builtin", "pages=builtin", "unified="):
        with pytest.raises(UsageError, match="--compare"):
            other_settings(settings, wrong)


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
        (["--unpack", str(tmp_path / "x")], "--unpack, --qrels and --tune go with QUERIES"),
        (["--tune", "--compare", "x", str(queries)], "give one of --tune and --compare"),
        (["--html", str(tmp_path / "none" / "x.html"), str(queries)], "x.html: cannot be written"),
    ]:
        assert run(["evaluate", *arguments]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
        assert message in line
