"""How late-interaction models are named, and what is refused before any weights load."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.embed.catalog import LATE, catalog
from pipeline.embed.late_picture import usual_size
from pipeline.embed.pages import load_pages
from pipeline.embed.token_pooling import hierarchical
from pipeline.errors import UsageError
from pipeline.score import similarity_map
from pipeline.types import PageGrid


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "there is no such folder"),
        ({}, "holds no config.json"),
        ({"config.json": "{"}, "its config.json cannot be read"),
        ({"config.json": "[]"}, "holds no settings"),
        ({"config.json": '{"architectures": ["BertModel"]}'}, "BertModel is no late-interaction model"),
        ({"config.json": '{"auto_map": {"AutoModel": "mine.Model"}}'}, "never run"),
        ({"config.json": '{"architectures": ["ColPaliForRetrieval"]}'}, "it has no weights"),
        (
            {"adapter_config.json": '{"base_model_name_or_path": "acme/base"}'},
            "an adapter of acme/base; put that model",
        ),
        ({"adapter_config.json": "{", "config.json": "{}"}, "its adapter_config.json cannot be read"),
    ],
)
def test_a_folder_without_a_model_is_a_usage_error(tmp_path: Path, files: dict[str, str] | None, message: str) -> None:
    """One line says which folder it is and what was found there."""
    folder = tmp_path / "mine"
    if files is not None:
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        load_pages(str(folder))

    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("colqwen2", "known: colqwen2-v1.0"),
        ("@", "known: "),
        ("acme/pages", 'set `pages` to "acme/pages@COMMIT"'),
        ("acme/pages@main", "40 hexadecimal digits"),
        ("colmodernvbert", "ModernVBERT/colmodernvbert-hf@COMMIT"),
        ("builtin@1", "no commits"),
    ],
)
def test_a_hub_model_is_pinned(name: str, message: str) -> None:
    """A branch moves, so only a commit will do; the network is not asked."""
    with pytest.raises(UsageError, match=message):
        load_pages(name)


@pytest.mark.parametrize("size", [(1, 1), (2, 100_000), (50_000, 50_000), (3, 4), (4096, 40)])
def test_every_size_of_page_becomes_a_usual_one(size: tuple[int, int]) -> None:
    """Sides of 28 to 4,096 pixels, the long one at most 100 times the short one."""
    width, height = usual_size(*size)

    assert 28 <= min(width, height) <= max(width, height) <= 4096
    assert max(width, height) <= 100 * min(width, height)


def test_pooling_keeps_what_is_alike_together() -> None:
    """Rows of two directions become two means; one row, or none, stays as it is."""
    rows = np.array([[1, 0.1], [0.1, 1], [1, 0], [0, 1]], np.float32)
    pooled = hierarchical(rows / np.linalg.norm(rows, axis=1, keepdims=True), 2)

    assert pooled.group[0] == pooled.group[2] != pooled.group[1] == pooled.group[3]
    np.testing.assert_allclose(np.linalg.norm(pooled.vectors, axis=1), 1, atol=1e-6)
    assert [hierarchical(rows[:count], 3).vectors.shape for count in (0, 1)] == [(0, 2), (1, 2)]


def test_a_map_knows_cells_without_a_vector_and_empty_questions() -> None:
    """A cell that no vector stands for has no score; no question, or weights of 0, score 0 everywhere."""
    grid, page = PageGrid(np.array([[0, -1], [1, 1]], np.int32)), np.eye(2, dtype=np.float16)
    scores = similarity_map(page, grid, np.eye(2, dtype=np.float32), np.array([3, 1], np.float32))

    np.testing.assert_allclose(scores, [[0.75, np.nan], [0.25, 0.25]])
    for query in (np.zeros((0, 2), np.float32), np.eye(2, dtype=np.float32)):
        assert not np.nan_to_num(similarity_map(page, grid, query, np.zeros(len(query), np.float32))).any()


def test_every_hub_model_of_the_catalog_can_be_pinned() -> None:
    """Each names a repository, and its commit where one is known."""
    hub = {name: entry for name, entry in catalog("pages").items() if entry.loader == LATE}

    assert {name for name, entry in hub.items() if not entry.commit} == {"colmodernvbert", "colqwen3.5-v3"}
    assert {name for name, entry in hub.items() if entry.second} == {"colsmol-256m", "colqwen2.5-v0.2"}
    for entry in hub.values():
        assert "/" in entry.repository
        assert {len(entry.commit), len(entry.second_commit)} <= {0, 40}
        assert bool(entry.second) == bool(entry.second_commit)
        assert entry.parameters
