"""Makes `pipeline/embed/builtin/minilm_ranges.npz` and `e5_ranges.npz`: between what values the inputs of products lie.

They are measured on the general text of `make_page_basis`, whole, in parts, and with its tokens in any order; those of
the multilingual model also on sentences of other scripts and on tokens drawn at random. Only the products that stay
exact enough in 8 bits are kept: those to queries, keys and values, and the first of the two after attention. The inputs
of the second are too far apart.

    python -m benchmarks.make_text_ranges
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.make_page_basis import label_texts, passages
from benchmarks.ocr_pages import SCRIPTS
from pipeline.embed.builtin import e5, text
from pipeline.embed.builtin.bert_openvino import bert_inputs, bert_model
from pipeline.embed.builtin.windows import windows_of
from pipeline.embed.eight_bit import measured, save_ranges

SEED = 20
KEPT = (".self.query", ".intermediate.dense")
DRAWN = 60  # windows of tokens at random
WINDOW = 500  # tokens of the multilingual model beside its prefix

Words = npt.NDArray[np.float32]  # (tokens, dim) of a window
Windows = Iterator[list[int]]


def main() -> None:
    english = (text.minilm_words(window) for window in _windows(text.minilm().ids, _english(), text.MAX_TOKENS))
    _make(text.RANGES, str(text.minilm().id), bert_model(text.minilm_layers(), *text.minilm_shape()), english)
    any_language = (e5.e5_words(window) for window in _any_language(e5.e5()))
    _make(e5.RANGES, str(e5.e5().id), bert_model(e5.e5_layers(), *e5.e5_shape()), any_language)


def _make(path: Path, model: str, network: Any, windows: Iterator[Words]) -> None:
    inputs = (bert_inputs(words[None], np.ones((1, len(words)), bool)) for words in windows)
    found: Mapping[str, Any] = measured(network, inputs)
    save_ranges(path, model, {name: ranges for name, ranges in found.items() if name.endswith(KEPT)})
    print(f"{path.name}: {path.stat().st_size:,} bytes")


def _english() -> list[str]:
    return [*passages(), " ".join(passages()), *label_texts()[::4]]


def _any_language(model: e5.E5) -> Windows:
    """Each after the prefix of a passage."""
    lot, prefix = random.Random(SEED), model.ids(e5.PASSAGE)
    for window in _windows(model.ids, [*_english(), *SCRIPTS.values()], WINDOW):
        yield [*prefix, *window]
    for _ in range(DRAWN):
        yield [*prefix, *(lot.randrange(e5.VOCABULARY) for _ in range(lot.randint(3, 200)))]


def _windows(ids: Callable[[str], list[int]], texts: Sequence[str], longest: int) -> Windows:
    """Each window of the texts, its tokens in any order, and a few of them."""
    lot = random.Random(SEED)
    for one in texts:
        for window in windows_of(ids(one), longest):
            yield window
            yield lot.sample(window, len(window))
            start = lot.randrange(len(window))
            yield window[start : start + lot.randint(1, 40)]


if __name__ == "__main__":
    main()
