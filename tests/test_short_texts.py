"""Few words are embedded in NumPy: what that computes, and what it spares."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import check_output

import numpy as np
import pytest

from pipeline.embed.builtin import bert_short
from pipeline.embed.builtin.e5 import QUERY, e5
from pipeline.embed.builtin.text import minilm
from pipeline.types import Vectors

QUESTIONS = ["how much energy does the mill make in a year?", "Aal", "水車 は どこ"]
WITHOUT_TORCH = """
import sys
from pipeline.embed.builtin.pages import BuiltinPages
from pipeline.embed.builtin.multilingual import MultilingualUnified
from pipeline.embed.builtin.unified import BuiltinUnified
for model in (BuiltinUnified(), MultilingualUnified()):
    model.embed_picture_queries(["a cat"], model.embed_queries(["a cat"]))
BuiltinPages().embed_query("a cat")
sys.exit("torch" in sys.modules or "transformers" in sys.modules)
"""


@pytest.mark.models
def test_few_words_have_the_vectors_that_torch_gives_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy and torch agree to a cosine of .9999 in both built-in text models, one by one and together."""
    few = [vectors(model) for model in ("minilm", "e5")]
    monkeypatch.setattr(bert_short, "MOST_TOKENS", 0)
    monkeypatch.setattr(bert_short, "MOST_WITHOUT_TORCH", 0)
    many = [vectors(model) for model in ("minilm", "e5")]

    for ours, theirs in zip(few, many, strict=True):
        assert (ours * theirs).sum(axis=1).min() > 0.9999
        assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)


@pytest.mark.models
def test_no_vectors_of_no_texts() -> None:
    """Nothing in, nothing out, with the right width."""
    assert minilm().embed_queries([]).shape == e5().embed([], QUERY).shape == (0, 384)


@pytest.mark.models
def test_a_question_imports_no_torch() -> None:
    """A search answers before torch would be imported, whichever legs it asks."""
    check_output([sys.executable, "-c", WITHOUT_TORCH], cwd=Path(__file__).parents[1])


def vectors(model: str) -> Vectors:
    if model == "minilm":
        return minilm().embed_queries(QUESTIONS)
    return e5().embed(QUESTIONS, QUERY)
