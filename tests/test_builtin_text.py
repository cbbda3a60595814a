from __future__ import annotations

import sys
from subprocess import check_output

import numpy as np
import pytest

from pipeline.embed.builtin.text import MAX_TOKENS, MiniLM, minilm, unit
from pipeline.embed.builtin.windows import windows_of
from pipeline.embed.catalog import TASKS, catalog, nearest, resolve
from pipeline.embed.unified import load_unified
from pipeline.errors import UsageError

SENTENCES = [
    "A dog runs.",
    "The contract ends in May unless both sides renew it.",
    "Rain falls on the hills. " * 40,
    "Snow",
    "a",
    "Three ships left the harbour at dawn, and none came back before the storm.",
    "Invoice 4711",
    "She paints.",
]


def test_unknown_name_is_a_usage_error_that_lists_the_known_ones() -> None:
    """A name the catalog does not hold is refused with the known names, the nearest first."""
    with pytest.raises(UsageError, match=r'"bultin".*setting `unified`.*known: builtin'):
        load_unified("bultin")


def test_nearest_name_comes_first() -> None:
    """The list of names starts with the one most like what was typed."""
    names = dict.fromkeys(("siglip-2", "builtin", "builtin-multilingual", "nomic"), catalog("unified")["builtin"])

    assert nearest("builtin-multilingal", names)[0] == "builtin-multilingual"
    assert nearest("Nomic", names)[0] == "nomic"


def test_catalog_entries_are_complete() -> None:
    """Each model says how it loads, its licence, size and legs; a commit is whole or missing."""
    for task in TASKS:
        for name, entry in catalog(task).items():
            assert entry.licence, name
            assert entry.dim > 0
            assert entry.context > 0
            assert set(entry.legs) <= {"text", "image", "page"}
            assert entry.legs
            assert len(entry.commit) in (0, 40)
            assert not entry.is_built_in or callable(resolve(entry))
        assert set(entry.legs) <= {"text", "image", "page"}


def test_count_tokens_is_the_tokenizer() -> None:
    """Counts are those of the model's word pieces, without special tokens and without a limit."""
    counts = minilm().count_tokens(["", "hello world", "word " * 1000])

    assert counts == [0, 2, 1000]


def test_special_tokens_in_a_document_are_only_letters() -> None:
    """A text that spells a special token cannot inject it."""
    model = minilm()

    assert model.count_tokens(["[SEP]"]) == [3]
    assert model.ids("[SEP]") == model.ids("[ sep ]")


def test_lone_surrogates_are_counted() -> None:
    """Half a character from a damaged document is a token like any other, in its place."""
    model = minilm()

    assert model.count_tokens(["a \ud800 b"]) == [3]
    assert model.offsets("é \ud800 b") == [(0, 1), (2, 3), (4, 5)]


def test_offsets_point_into_the_text() -> None:
    """Offsets give each token's characters, one span a token."""
    text = "Füße und hands"
    model = minilm()

    spans = model.offsets(text)

    assert len(spans) == len(model.ids(text))
    assert text[spans[-1][0] : spans[-1][1]] == "hands"


def test_counting_imports_no_torch() -> None:
    """Identity, budget and counting need neither torch nor weights."""
    code = (
        "import sys; from pipeline.embed.builtin.text import minilm; m = minilm(); m.id; m.count_tokens(['a b']);"
        "print('torch' in sys.modules, 'transformers' in sys.modules)"
    )

    assert check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]


def test_windows_hold_every_token_once() -> None:
    """Windows follow one another without overlap and lose nothing."""
    ids = list(range(600))

    windows = windows_of(ids, MAX_TOKENS)

    assert [len(window) for window in windows] == [254, 254, 92]
    assert [number for window in windows for number in window] == ids
    assert windows_of([], MAX_TOKENS) == [[]]


def test_text_over_the_budget_is_an_error() -> None:
    """Nothing is cut off silently: the message names the text and its length."""
    with pytest.raises(ValueError, match=r"text 1 has 255 tokens.* takes 254"):
        minilm().embed_texts(["fine", "word " * (MAX_TOKENS + 1)])


def test_no_texts_make_no_vectors() -> None:
    """An empty list gives a (0, 384) array, without loading weights."""
    assert minilm().embed_texts([]).shape == (0, 384)
    assert minilm().embed_queries([]).shape == (0, 384)
    assert minilm().encode_windows([]) == []


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return minilm()


@pytest.mark.models
def test_vectors_are_unit_and_in_order(model: MiniLM) -> None:
    """Rows are float32, of length 1, and in the order of the texts whatever their lengths; alone or in a batch."""
    together = model.embed_texts(SENTENCES)
    alone = np.vstack([model.embed_texts([text]) for text in SENTENCES])

    assert len(together) == 8
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert (together * alone).sum(axis=1).min() > 0.9999


@pytest.mark.models
def test_many_texts_over_several_batches_keep_order(model: MiniLM) -> None:
    """Sorting by length inside is not seen outside."""
    texts = [f"number {n} " * (1 + n * 7 % 11) for n in range(90)]

    vectors = model.embed_texts(texts)

    some = [0, 17, 44, 89]
    assert (vectors[some] * model.embed_texts([texts[n] for n in some])).sum(axis=1).min() > 0.9999


@pytest.mark.models
def test_meaning_beats_words(model: MiniLM) -> None:
    """A question is nearer to its answer than to a text that shares its words."""
    answers = model.embed_texts(["Felines sleep for most of the day.", "Much time passed while the file was copied."])
    question = model.embed_queries(["How much time do cats sleep?"])

    scores = (question @ answers.T)[0]

    assert scores[0] > scores[1]


@pytest.mark.models
def test_long_query_is_the_mean_of_its_windows(model: MiniLM) -> None:
    """A query over the budget is embedded whole, in windows weighted by their tokens."""
    words = "cat " * 254 + "economy " * 254
    both = model.embed_queries([words, "cat"])
    halves = model.embed_texts(["cat " * 254, "economy " * 254])

    assert both.shape == (2, 384)
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, atol=1e-5)
    assert float(both[0] @ unit(halves.sum(axis=0, keepdims=True))[0]) > 0.99


@pytest.mark.models
def test_hidden_states_of_windows(model: MiniLM) -> None:
    """Windows give one float32 state a content token, in order, equal alone and in a batch."""
    windows = [model.ids(text) for text in SENTENCES]

    states = model.encode_windows(windows)

    assert [state.shape for state in states] == [(len(window), 384) for window in windows]
    assert all(state.dtype == np.float32 for state in states)
    alone = model.encode_windows([windows[0]])[0]
    assert (unit(alone) * unit(states[0])).sum(axis=1).min() > 0.999
