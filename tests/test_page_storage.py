"""Promises of what `docmill status` says about the vectors of pages."""

from __future__ import annotations

import datetime as dt
import doctest
import json
from pathlib import Path

import numpy as np
import pytest

from cli.main import run
from pipeline import page_storage
from pipeline.embed.token_pooling import hierarchical
from pipeline.page_storage import PageSizes, pooled, storage
from pipeline.store import Models, RowFile, doc_id, open_store
from pipeline.types import DocumentRecord, ModelId, Row

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def sizes(stored: list[int], before: list[int], pooling: str) -> PageSizes:
    return PageSizes(np.array(stored), np.array(before), 128, pooling)


@pytest.mark.parametrize(("count", "factor"), [(1, 4), (7, 2), (12, 3), (30, 8)])
def test_hierarchical_savings_are_what_pooling_makes(count: int, factor: int) -> None:
    """The number of vectors that is told is the number that the model's own pooling leaves."""
    rows = np.random.default_rng(count).normal(size=(count, 16)).astype(np.float32)
    made = hierarchical(rows / np.linalg.norm(rows, axis=1, keepdims=True), factor)

    assert pooled(sizes([count], [count], "none"), factor).tolist() == [len(made.vectors)]


@pytest.mark.models
@pytest.mark.parametrize("factor", [1, 2, 4])
def test_sequential_savings_are_what_the_builtin_model_makes(factor: int) -> None:
    """As above, of the built-in model, from what its default stores."""
    from pipeline.embed.builtin.pages import BuiltinPages
    from pipeline.types import PageImage, PageInput, TextLine

    line = TextLine("the mill wheel turns with the tide " * 60, (0, 0, 1, 1))
    page = PageInput(PageImage(Path("none"), 1, 1, 1, 1), (line,))
    default = BuiltinPages().embed_pages([page])[0]
    other = BuiltinPages(pooling=factor).embed_pages([page])[0]
    found = sizes([len(default.vectors)], [default.token_count or 0], BuiltinPages().id.pooling)

    assert pooled(found, factor).tolist() == [len(other.vectors)]


def test_what_is_pooled_already_is_told_from_its_factor() -> None:
    """Rows of an older version do not say how many vectors there were: about the stored ones times the factor."""
    assert pooled(sizes([50, 0], [0, 0], "hierarchical-2"), 4).tolist() == [25, 0]
    assert pooled(sizes([50, 0], [0, 0], "sequential-4"), 2).tolist() == [100, 0]


def test_savings_are_shares_of_what_is_stored() -> None:
    """Bytes are vectors times dimensions times two; a setting that would take more saves less than nothing."""
    told = storage(sizes([192, 64], [768, 64], "even-192"), 2)

    assert (told["vectors"], told["bytes"]) == ({"mean": 128.0, "max": 192}, {"mean": 32_768, "max": 49_152})
    assert told["pooling"]["4"] == {"mean": 26_624, "max": 49_152, "saved": 0.188}  # type: ignore[index]
    assert told["pooling"]["1"]["saved"] == -2.25  # type: ignore[index]


def test_status_tells_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As numbers for programs and as lines for people; nothing of the kind for a store without pages."""
    store = open_store(
        str(tmp_path / "store"), create=Models(ModelId("m", "1", 8, "mean"), ModelId("p", "1", 16, "none"))
    )
    run(["status", "--store", store.uri, "--json"])
    before = json.loads(capsys.readouterr().out)
    record = DocumentRecord("a", doc_id("a"), "indexed")
    with RowFile.create(tmp_path / "rows.arrow", store.models) as file:
        pages = [Row("page", i, "", multivector=np.ones((n, 16), np.float16)) for i, n in enumerate((100, 20))]
        file.add(record, [*pages, Row("page", 2, "")], NOW)
    with store.writer():
        store.replace(RowFile.open(tmp_path / "rows.arrow"), [record.doc_id])
    run(["status", "--store", store.uri, "--json"])
    found = json.loads(capsys.readouterr().out)["pages"]
    run(["status", "--store", store.uri])
    shown = capsys.readouterr().out

    assert "pages" not in before
    assert (found["pages"], found["counted"], found["vectors"]) == (3, 3, {"mean": 40.0, "max": 100})
    assert (found["pooling"]["1"]["saved"], found["pooling"]["2"]["saved"]) == (0.0, 0.5)
    assert "40, at the most 100" in shown
    assert "50% less" in shown


def test_the_examples_in_the_docstrings_run() -> None:
    """Worked examples are true."""
    assert doctest.testmod(page_storage).failed == 0
