"""Late-interaction models beside their libraries, and through the whole command line, on tiny checkpoints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pipeline.embed.pages import load_pages
from pipeline.layout import load_layout
from pipeline.score import similarity_map
from pipeline.store import open_store
from pipeline.types import PageImage, PageInput

pytestmark = pytest.mark.models
ROOT = Path(__file__).parents[1]
NAMES = ("colpali", "colqwen2", "colmodernvbert")
RIGHT = ("colpali", "colqwen2")  # sentence-transformers 6.2 cannot encode pages with ColModernVBERT
SIZES = [(96, 128), (300, 100), (56, 56)]
QUESTION = "a red square"
WITH_PAGES = ("sample_docs/drawings.tiff", "sample_docs/receipt.png", "sample_docs/scanned-letter.pdf")  # four in all


def noisy(path: Path, size: tuple[int, int]) -> PageInput:
    pixels = np.random.default_rng(7).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return PageInput(PageImage(path, *size, float(size[0]), float(size[1])), ())


def encoder(folder: Path) -> Any:
    from sentence_transformers import MultiVectorEncoder

    return MultiVectorEncoder(str(folder), device="cpu")


def encoded(model: Any, page: PageInput, **options: Any) -> npt.NDArray[np.float32]:
    """The vectors of the picture's own tokens, by sentence-transformers alone."""
    with Image.open(page.image.path) as picture:
        mask = model.processor.process_images([picture])["input_ids"][0] == model.processor.image_token_id
        (found,) = model.encode_document([picture.convert("RGB")], normalize_embeddings=True, **options)
    rows = np.asarray(found.float().cpu(), np.float32)
    return rows[mask.numpy()] if len(rows) == len(mask) else rows


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", RIGHT)
def test_pages_and_questions_are_those_of_sentence_transformers(
    checkpoints: dict[str, Path], tmp_path: Path, name: str, size: tuple[int, int]
) -> None:
    """The same vectors from a path that shares no code of ours, unpooled and pooled, and the same similarity map."""
    from sentence_transformers.multi_vector_encoder.interpretability import get_n_patches, maxsim_similarity_map
    from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling

    theirs, ours = encoder(checkpoints[name]), load_pages(str(checkpoints[name]))
    page = noisy(tmp_path / "page.png", size)
    expected = encoded(theirs, page)
    (found,) = ours.embed_pages([page])
    (pooled,) = load_pages(str(checkpoints[name]), pooling=2).embed_pages([page])
    query = ours.embed_query(QUESTION)
    (asked,) = theirs.encode_query([QUESTION], normalize_embeddings=True)
    import torch

    (fewer,) = HierarchicalTokenPooling(pool_factor=2, num_protected_tokens=0).pool([torch.tensor(expected)])
    patches = get_n_patches(theirs, size)
    their_map = maxsim_similarity_map(asked.float().cpu(), torch.tensor(expected), patches).mean(dim=0).numpy()
    assert found.grid is not None

    np.testing.assert_allclose(found.vectors.astype(np.float32), expected, atol=2e-3)
    np.testing.assert_allclose(query.vectors, np.asarray(asked.float().cpu()), atol=1e-4)
    np.testing.assert_allclose(pooled.vectors.astype(np.float32), fewer.numpy(), atol=2e-3)
    np.testing.assert_allclose(similarity_map(found.vectors, found.grid, query.vectors), their_map, atol=2e-3)


@pytest.mark.parametrize("name", RIGHT)
def test_a_question_s_own_tokens_are_told_apart(checkpoints: dict[str, Path], name: str) -> None:
    """From the prefix and the tokens that the model was trained with, as sentence-transformers tells them."""
    from sentence_transformers.multi_vector_encoder.interpretability import real_query_token_slice

    theirs, ours = encoder(checkpoints[name]), load_pages(str(checkpoints[name]))
    for question in (QUESTION, "x"):
        query = ours.embed_query(question)
        expected = np.zeros(len(query.vectors), bool)
        expected[real_query_token_slice(theirs, question)] = True
        assert query.own is not None
        assert query.own.tolist() == expected.tolist()
        assert 0 < query.own.sum() < len(query.own)


@pytest.mark.parametrize("size", [*SIZES, (128, 128), (640, 480)])
def test_colmodernvbert_s_map_has_the_processor_s_tiles(
    checkpoints: dict[str, Path], tmp_path: Path, size: tuple[int, int]
) -> None:
    """As many tiles as the processor says that it cut, each of as many cells as it has tokens, pooled or not."""
    from transformers import AutoProcessor

    folder = checkpoints["colmodernvbert"]
    processor = AutoProcessor.from_pretrained(folder)
    page = noisy(tmp_path / "page.png", size)
    with Image.open(page.image.path) as picture:
        cut = processor.image_processor([[picture.convert("RGB")]], return_row_col_info=True)
    side = int(processor.image_seq_len**0.5)
    expected = (max(1, cut["rows"][0][0]) * side, max(1, cut["cols"][0][0]) * side)

    for pooling in (1, 3):
        model = load_pages(str(folder), pooling=pooling)
        (found,) = model.embed_pages([page])
        query = model.embed_query(QUESTION)
        assert found.grid is not None
        scores = similarity_map(found.vectors, found.grid, query.vectors, query.weights)
        assert scores.shape == expected
        assert np.isfinite(scores).all()


def docmill(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_samples_are_ingested_and_searched_by_the_model(
    checkpoints: dict[str, Path], tmp_path: Path, name: str
) -> None:
    """The real commands: page rows with vectors and a grid, hits with regions on their pages, and their pictures."""
    store, pages = str(tmp_path / "store"), {"DOCMILL_PAGES": str(checkpoints[name])}
    ingested = docmill("ingest", *WITH_PAGES, "sample_docs/notes.md", "--store", store, "--json", **pages)
    question = ("search", "repair of the sluice gate", "--store", store, "--modality", "page", "--json")
    done = docmill(*question, "--save-pages", str(tmp_path / "out"), **pages)
    assert (ingested.returncode, done.returncode) == (0, 0), ingested.stderr + done.stderr
    answer = json.loads(done.stdout)
    opened = open_store(store)
    rows = {row["id"]: row for row in opened.rows() if row["modality"] == "page"}
    stored = opened.vectors(list(rows))

    assert len(answer["hits"]) == len(rows) == len(answer["saved"]) == 4
    for hit, saved in zip(answer["hits"], answer["saved"], strict=True):
        grid = load_layout(stored[hit["id"]].layout, rows[hit["id"]]["text"]).grid
        (width, height), (x0, y0, x1, y1) = hit["page_size"], hit["bbox"]
        assert grid is not None
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        assert (x1 - x0) * (y1 - y0) <= width * height / 4 + 1
        assert hit["boxes"][0]["bbox"] == hit["bbox"]
        with Image.open(saved["path"]) as picture:
            assert picture.width / picture.height == pytest.approx(width / height, rel=0.01)
