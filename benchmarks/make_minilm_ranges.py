"""Makes `pipeline/embed/builtin/minilm_ranges.npz`: between what values the inputs of MiniLM's products lie.

They are measured on the general text of `make_page_basis`, whole, in parts, and with its tokens in any order. Only the
products that stay exact enough in 8 bits are kept: those to queries, keys and values, and the first of the two after
attention. The inputs of the second are too far apart.

    python -m benchmarks.make_minilm_ranges
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np

from benchmarks.make_page_basis import label_texts, passages
from pipeline.embed.builtin.bert_openvino import bert_inputs, bert_model
from pipeline.embed.builtin.text import MAX_TOKENS, RANGES, minilm, minilm_layers, minilm_shape, minilm_words
from pipeline.embed.builtin.windows import windows_of
from pipeline.embed.eight_bit import measured

SEED = 20
KEPT = (".self.query", ".intermediate.dense")


def main() -> None:
    inputs = (bert_inputs(words, mask) for words, mask in _texts())
    found = measured(bert_model(minilm_layers(), *minilm_shape()), inputs)
    np.savez_compressed(RANGES, **{name: ranges for name, ranges in found.items() if name.endswith(KEPT)})
    print(f"{RANGES.name}: {RANGES.stat().st_size:,} bytes")


def _texts() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Word vectors of one window at a time, between those of the special tokens, and a mask of nothing hidden."""
    for window in _windows():
        words = minilm_words(window)[None]
        yield words, np.ones(words.shape[:2], bool)


def _windows() -> Iterator[list[int]]:
    lot = random.Random(SEED)
    for text in [*passages(), " ".join(passages()), *label_texts()[::4]]:
        for window in windows_of(minilm().ids(text), MAX_TOKENS):
            yield window
            yield lot.sample(window, len(window))
            start = lot.randrange(len(window))
            yield window[start : start + lot.randint(1, 40)]


if __name__ == "__main__":
    main()
