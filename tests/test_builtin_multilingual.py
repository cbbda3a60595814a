"""The built-in embedder for a hundred languages: multilingual-e5-small, and pictures in its space."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from pipeline.embed import Unified
from pipeline.embed.builtin.e5 import MAX_TOKENS, PASSAGE, e5
from pipeline.embed.builtin.pictures import E5_LABELS, LABELS, load_labels
from pipeline.embed.unified import load_unified
from pipeline.types import PictureInput

PHOTOS = Path(__file__).parents[1] / "sample_docs" / "photos"


@pytest.fixture(scope="module")
def model() -> Unified:
    return load_unified("builtin-multilingual")


def test_labels_are_those_of_the_text_model() -> None:
    """The shipped matrix was made from the shipped labels by this model and these prefixes."""
    vectors = load_labels(e5().id, E5_LABELS)

    with np.load(E5_LABELS) as file:
        made_from = str(file["source_sha256"])
    assert made_from == hashlib.sha256(LABELS.with_name("labels.tsv").read_bytes()).hexdigest()
    assert vectors.shape == (1000, 384)


def test_the_id_tells_weights_prefixes_and_labels(model: Unified) -> None:
    """Both built-in models have 384 dimensions; nothing else of their ids is equal but the pooling."""
    other = load_unified("builtin").id

    assert model.id.dim == other.dim == 384
    assert (model.id.name, model.id.revision) != (other.name, other.revision)
    assert "1571fc98" in model.id.revision
    assert model.id.prompt == "query: / passage:"
    assert str(model.id) != str(other)


def test_a_passage_of_the_budget_is_one_window(model: Unified) -> None:
    """508 tokens fit beside the prefix; tokens are counted by the model's own tokenizer, without prefix."""
    (tokens,) = model.count_tokens(["слово " * model.max_tokens])

    assert (model.max_tokens, tokens) == (508, 508)
    assert len(e5().ids(PASSAGE)) + model.max_tokens == MAX_TOKENS


def test_one_text_is_what_it_is_among_eight(model: Unified) -> None:
    """Order is kept and padding leaves no trace."""
    texts = ["Wie alt ist die Mühle?", "短い文", "word " * 300, "", "a", "قديم", "x y z", "mill"]
    together = model.embed_texts(texts)
    alone = np.vstack([model.embed_texts([text]) for text in texts])

    assert (together * alone).sum(axis=1).min() > 0.9995
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_questions_of_other_languages_find_the_photo(model: Unified) -> None:
    """A cat, in German, Spanish, Arabic and Chinese."""
    photos = sorted(path for folder in (PHOTOS, PHOTOS.with_name("pictures")) for path in folder.glob("*.*g"))
    vectors = model.embed_pictures([PictureInput(path) for path in photos])
    questions = ["eine Katze", "un gato", "قطة", "一只猫"]
    found = (model.embed_picture_queries(questions, model.embed_queries(questions)) @ vectors.T).argmax(axis=1)

    assert [photos[place].stem for place in found] == ["cat"] * 4
    assert not model.one_scale


def test_words_of_a_picture_count(model: Unified) -> None:
    """A photo with a caption is found by what only the caption says; no pictures make no vectors."""
    path = PHOTOS / "cat.jpg"
    plain, told = model.embed_pictures([PictureInput(path), PictureInput(path, caption="Minka, the miller's pet")])
    questions = ["the miller's pet Minka"]
    (wanted,) = model.embed_picture_queries(questions, model.embed_queries(questions))

    assert told @ wanted > plain @ wanted + 0.1
    assert model.embed_pictures([]).shape == (0, 384)
