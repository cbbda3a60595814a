"""Few words take a short way to their vectors: what it computes, and what it spares."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from subprocess import check_output

import numpy as np
import pytest

from pipeline.embed.builtin import bert_short, e5_short
from pipeline.embed.builtin.e5 import QUERY, e5
from pipeline.embed.builtin.e5_short import E5Tokens, Tokens, short
from pipeline.embed.builtin.e5_tokenizer import e5_tokenizer
from pipeline.embed.builtin.text import minilm
from pipeline.embed.builtin.windows import encodable
from pipeline.embed.eight_bit import multiplies_bytes
from pipeline.types import Vectors

QUESTIONS = ["how much energy does the mill make in a year?", "Aal", "水車 は どこ"]
SIGNS = [32] * 400 + [sign for plane in ((33, 0x3000, 3), (0x3000, 0x1F700, 99)) for sign in range(*plane)]
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
def test_few_words_have_the_vectors_that_they_have_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy and the engine of many words agree to a cosine of .9999; where it computes in 8 bits, of .999."""
    monkeypatch.setattr(bert_short.few_words, "hold", bool)
    few = [vectors(model) for model in ("minilm", "e5")]
    monkeypatch.setattr(bert_short.few_words, "hold", lambda _: False)
    many = [vectors(model) for model in ("minilm", "e5")]

    least = 0.999 if multiplies_bytes() else 0.9999
    for ours, theirs in zip(few, many, strict=True):
        assert (ours * theirs).sum(axis=1).min() > least
        assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)


def test_a_process_that_goes_on_uses_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of all calls are counted together; with torch there none go the short way, and empty windows never."""
    words = bert_short.FewWords()
    with monkeypatch.context() as without:
        without.delitem(sys.modules, "torch", raising=False)
        held = [words.hold([[1] * 198]), words.hold([[1] * 298, []]), words.hold([]), words.hold([[1] * 9])]
    monkeypatch.setitem(sys.modules, "torch", sys)
    beside = bert_short.FewWords().hold([[1]])

    assert held == [True, True, False, False]
    assert not beside


@pytest.mark.models
def test_no_vectors_of_no_texts() -> None:
    """Nothing in, nothing out, with the right width."""
    assert minilm().embed_queries([]).shape == e5().embed([], QUERY).shape == (0, 384)


@pytest.mark.models
def test_tokens_are_those_of_the_whole_tokenizer() -> None:
    """The pieces that occur in a text are all that matters to it: special names, odd spaces, any script."""
    chance = random.Random(7)
    lots = ["".join(chr(chance.choice(SIGNS)) for _ in range(chance.randrange(60))) for _ in range(200)]
    texts = [
        encodable(text) for text in ["", "  ", "<s> a </s> <mask> <unk>", "～ a～b", "ﬁ ① \ue000", *QUESTIONS, *lots]
    ]
    whole = [e5_tokenizer().encode(text, add_special_tokens=False) for text in texts]

    assert [short(text) for text in texts] == [Tokens(found.ids, found.offsets) for found in whole]


@pytest.mark.models
def test_after_some_text_the_whole_tokenizer_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that goes on has the same ids from it."""
    tokens = E5Tokens()
    first = tokens("the mill in May")
    monkeypatch.setattr(e5_short, "MOST_LETTERS", 0)
    monkeypatch.setattr(e5_short, "short", None)

    assert tokens("the mill in May") == first


@pytest.mark.models
def test_a_question_imports_no_torch() -> None:
    """A search answers before torch would be imported, whichever legs it asks."""
    check_output([sys.executable, "-c", WITHOUT_TORCH], cwd=Path(__file__).parents[1])


def vectors(model: str) -> Vectors:
    if model == "minilm":
        return minilm().embed_queries(QUESTIONS)
    return e5().embed(QUESTIONS, QUERY)
