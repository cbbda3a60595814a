"""Full-size weights of the hub, where there is a hub or the cache holds them: what any working model must get right.

No canonical numbers are known for certain, so each model is held to itself: captions are nearer to their photo than to
another, answers nearer to their question than to another, and known sizes are right.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from pipeline.embed import Unified
from pipeline.embed.catalog import LATE, catalog
from pipeline.embed.choices import Choices
from pipeline.embed.pages import load_pages
from pipeline.embed.unified import load_unified
from pipeline.errors import UsageError
from pipeline.score import maxsim
from pipeline.types import PageImage, PageInput, PictureInput, TextLine

pytestmark = [pytest.mark.models, pytest.mark.timeout(3600)]
SAMPLES = Path(__file__).parents[1] / "sample_docs"
UNIFIED = [n for n, e in catalog("unified").items() if e.commit and not e.is_built_in and "remote_code" not in e.needs]
PICTURES = [name for name, entry in catalog("pictures").items() if entry.commit]
TEXT = [name for name, entry in catalog("text").items() if entry.commit]
PAGES = [name for name, entry in catalog("pages").items() if entry.commit and entry.loader == LATE]
MARGIN = 0.02  # of cosine, between right and wrong


def load(name: str, **more: str) -> Unified:
    try:
        model = load_unified(name, Choices(**more))
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
    model = load(name)

    assert model.id.dim == catalog("unified")[name].dim == model.embed_texts(["x"]).shape[1]
    check_texts(model)
    check_pictures(model)


@pytest.mark.parametrize("name", PICTURES)
def test_photos_of_a_captions_model(name: str) -> None:
    """Photos answer their caption."""
    model = load(name, text="builtin")
    try:
        check_pictures(model)
    except UsageError as error:
        skip_or_fail(error)


@pytest.mark.parametrize("name", TEXT)
def test_passages_of_a_text_model(name: str) -> None:
    """Passages answer their question."""
    check_texts(load("builtin", text=name))


@pytest.mark.parametrize("name", PAGES)
def test_pages_of_a_late_interaction_model(name: str) -> None:
    """The page of a receipt answers a question about paying better than a photo of a cat does."""
    pages = []
    for path in (SAMPLES / "receipt.png", SAMPLES / "photos" / "cat.jpg"):
        pages.append(PageInput(PageImage(path, 600, 800, 300.0, 400.0), (TextLine("x", (0.0, 0.0, 9.0, 9.0)),)))
    try:
        model = load_pages(name)
        found = model.embed_pages(pages)
    except UsageError as error:
        skip_or_fail(error)
    query = model.embed_query("How much was paid in cash?")
    vectors = np.concatenate([page.vectors for page in found])
    bounds = np.cumsum([0, *(len(page.vectors) for page in found)])
    scores = maxsim(query.vectors, query.weights, vectors, bounds)

    assert vectors.shape[1] == catalog("pages")[name].dim
    assert nearer(scores[0], scores[1])
