"""Full-size weights of the hub, where there is a hub or the cache holds them: what any working model must get right.

No canonical numbers are known for certain, so each model is held to itself: captions are nearer to their photo than to
another, answers nearer to their question than to another, and known sizes are right.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from PIL import Image

from pipeline.embed import Unified
from pipeline.embed.catalog import LATE, Task, catalog
from pipeline.embed.choices import Choices
from pipeline.embed.pages import load_pages
from pipeline.embed.unified import load_unified
from pipeline.errors import UsageError
from pipeline.score import maxsim
from pipeline.types import PageImage, PageInput, PictureInput, TextLine

pytestmark = [pytest.mark.models, pytest.mark.timeout(3600)]
SAMPLES = Path(__file__).parents[1] / "sample_docs"
UNIFIED = [name for name, entry in catalog("unified").items() if not entry.is_built_in]
PAGES = [name for name, entry in catalog("pages").items() if entry.loader == LATE]
COMMITS = dict(pair.split("=") for pair in os.environ.get("DOCMILL_COMMITS", "").split(",") if pair)  # NAME=COMMIT,...
MARGIN = 0.02  # of cosine, between right and wrong
A4_PX = (1240, 1754)
VECTORS = {  # of a page of that size, by the settings that the processors are published with
    "colpali-v1.3": 1024,  # 32 x 32 patches
    "colqwen2-v1.0": 736,  # 32 x 23 merged patches within 768
    "colqwen2.5-v0.2": 736,
    "colsmol-256m": 832,  # 4 x 3 tiles of 64, and the page once more
    "neomme-260m": 2145,  # 55 x 39 patches of 32 pixels
}


def pinned(task: Task, name: str) -> str:
    """The name with the commit that is known, or that DOCMILL_COMMITS names; skips a model that lacks one."""
    entry = catalog(task)[name]
    if "remote_code" in entry.needs:
        pytest.skip(f"{name}: it would run code of its own, which you pin yourself (remote_code)")
    if not entry.commit and name not in COMMITS:
        pytest.skip(f"{name}: no commit of it is pinned; name one: DOCMILL_COMMITS={name}=COMMIT")
    return f"{name}@{COMMITS[name]}" if name in COMMITS else name


def load(name: str, text: str = "") -> Unified:
    try:
        model = load_unified(name, Choices(text=text, accept_noncommercial=True))
        model.embed_texts(["x"])
    except UsageError as error:
        skip_or_fail(error)
    return model


def skip_or_fail(error: UsageError) -> NoReturn:
    """A model that is not to be had, or that lacks a library, is skipped; one that is here and fails has failed."""
    if "cannot be downloaded" in str(error) or "install what it needs" in str(error):
        pytest.skip(str(error)[:200])
    raise error


def nearer(right: float, wrong: float) -> bool:
    return right > wrong + MARGIN


def check_pictures(model: Unified) -> None:
    photos = [PictureInput(SAMPLES / "photos" / name) for name in ("cat.jpg", "coffee.jpg")]
    questions = ["a photo of a cat", "a photo of a cup of coffee"]
    scores = model.embed_picture_queries(questions, model.embed_queries(questions)) @ model.embed_pictures(photos).T

    assert nearer(scores[0, 0], scores[0, 1])
    assert nearer(scores[1, 1], scores[1, 0])


def check_texts(model: Unified) -> None:
    questions = model.embed_queries(["How much energy does the mill make?", "Who repairs the roof?"])
    answers = model.embed_texts(
        ["The generator counted 38,400 kilowatt hours.", "The roofer mends the roof in spring."]
    )
    scores = questions @ answers.T

    assert nearer(scores[0, 0], scores[0, 1])
    assert nearer(scores[1, 1], scores[1, 0])
    np.testing.assert_allclose(np.linalg.norm(answers, axis=1), 1, atol=1e-3)


@pytest.mark.parametrize("name", UNIFIED)
def test_both_legs_of_a_unified_model(name: str) -> None:
    """Passages answer their question, photos their caption, and vectors are as wide as the catalog says."""
    model = load(pinned("unified", name))

    assert model.id.dim == catalog("unified")[name].dim == model.embed_texts(["x"]).shape[1]
    check_texts(model)
    check_pictures(model)


@pytest.mark.parametrize("name", list(catalog("pictures")))
def test_photos_of_a_captions_model(name: str) -> None:
    """Photos answer their caption."""
    model = load(pinned("pictures", name), text="builtin")
    try:
        check_pictures(model)
    except UsageError as error:
        skip_or_fail(error)


@pytest.mark.parametrize("name", list(catalog("text")))
def test_passages_of_a_text_model(name: str) -> None:
    """Passages answer their question."""
    check_texts(load("builtin", text=pinned("text", name)))


@pytest.mark.parametrize("name", PAGES)
def test_pages_of_a_late_interaction_model(name: str, tmp_path: Path) -> None:
    """An A4 page has as many vectors as is known; a receipt answers a question about paying better than a cat does."""
    pages = []
    for path in (SAMPLES / "receipt.png", SAMPLES / "photos" / "cat.jpg"):
        pages.append(PageInput(PageImage(path, 600, 800, 300.0, 400.0), (TextLine("x", (0.0, 0.0, 9.0, 9.0)),)))
    try:
        model = load_pages(pinned("pages", name), Choices(accept_noncommercial=True))
        found = model.embed_pages(pages)
    except UsageError as error:
        skip_or_fail(error)
    blank = tmp_path / "a4.png"
    Image.new("RGB", A4_PX, "white").save(blank)
    (a4,) = model.embed_pages([PageInput(PageImage(blank, *A4_PX, 595.0, 842.0), ())])
    query = model.embed_query("How much was paid in cash?")
    vectors = np.concatenate([page.vectors for page in found])
    bounds = np.cumsum([0, *(len(page.vectors) for page in found)])
    scores = maxsim(query.vectors, query.weights, vectors, bounds)

    assert vectors.shape[1] == catalog("pages")[name].dim
    assert len(a4.vectors) == VECTORS.get(name, len(a4.vectors))
    assert nearer(scores[0], scores[1])
