"""Late interaction from pip alone: MiniLM's token vectors over the text that stands on a page.

No model trained for it is small enough to come in a wheel, so the words are read (text layer or OCR), encoded in
context, centred, and averaged over neighbours. It finds pages by their words; it does not see figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from pipeline.embed import Frequencies
from pipeline.embed.builtin.text import DIM, MAX_TOKENS, MiniLM, minilm, unit
from pipeline.embed.builtin.windows import windows_of
from pipeline.embed.ocr import Ocr
from pipeline.types import ModelId, PageEmbedding, PageInput, QueryTokens, TextLine, TokenVectors, Vectors

MIN_PAGES = 20  # a smaller corpus says little of how rare a token is
VOCABULARY = 30522
MEAN = "token_mean.npz"  # fixed, so that vectors do not depend on the corpus


class BuiltinPages:
    """A `PageModel`. Weights of MiniLM and OCR load at the first page that needs them.

    `threads` of compute, 0 leaves the libraries' own choice; `pooling` is how many neighbouring token vectors become
    one, 1 keeps all.
    """

    uses_frequencies = True

    def __init__(self, threads: int = 0, pooling: int = 4) -> None:
        if pooling < 1:
            raise ValueError(f"pooling must be 1 or more, not {pooling}")
        self._threads = threads
        self._pooling = pooling

    @property
    def id(self) -> ModelId:
        return ModelId("builtin-pages", "minilm-ocr-1", DIM, f"sequential-{self._pooling}")

    def embed_pages(self, pages: Sequence[PageInput]) -> list[PageEmbedding]:
        """One embedding a page, in order; a page without text has (0, 384) vectors and the text ""."""
        read = [self._lines(page) for page in pages]
        texts = ["\n".join(line.text for line in lines) for lines in read]
        vectors = self._vectors(texts)
        return [PageEmbedding(*page) for page in zip(vectors, texts, read, strict=True)]

    def count_frequencies(self, texts: Iterable[str]) -> Frequencies:
        counts = np.zeros(VOCABULARY, np.int64)
        pages = 0
        for text in texts:
            counts[np.unique(np.array(self._minilm.ids(text), np.int64))] += 1
            pages += 1
        return Frequencies(pages, counts)

    def embed_query(self, text: str, frequencies: Frequencies | None = None) -> QueryTokens:
        """A vector for each token; its weight is ln((N + 1) / (df + .5)), at least 0.

        Weights are 1 without frequencies, in a corpus of fewer than 20 pages, and when all of them would be 0.
        """
        ids = self._minilm.ids(text)
        vectors = self._token_vectors([ids])[0]
        weights = np.ones(len(ids), np.float32)
        if frequencies is not None and frequencies.pages >= MIN_PAGES:
            rarity = np.log((frequencies.pages + 1) / (frequencies.counts[ids] + 0.5)).clip(min=0).astype(np.float32)
            weights = rarity if rarity.any() else weights
        return QueryTokens(vectors, weights)

    def _lines(self, page: PageInput) -> tuple[TextLine, ...]:
        if page.lines is not None:
            return page.lines
        return self._ocr.read(page.image.path, page.image.width_pt, page.image.height_pt)

    def _vectors(self, texts: Sequence[str]) -> list[TokenVectors]:
        return [pooled(rows, self._pooling) for rows in self._token_vectors([self._minilm.ids(text) for text in texts])]

    def _token_vectors(self, texts: Sequence[Sequence[int]]) -> list[Vectors]:
        """Centred unit vectors of all tokens of each text, (tokens, 384)."""
        cut = [windows_of(ids, MAX_TOKENS) if ids else [] for ids in texts]
        states = iter(self._minilm.encode_windows([window for windows in cut for window in windows]))
        empty = np.zeros((0, DIM), np.float32)
        rows = [np.concatenate([empty, *(next(states) for _ in windows)]) for windows in cut]
        return [unit(found - self.mean) for found in rows]

    @cached_property
    def mean(self) -> npt.NDArray[np.float32]:
        """Mean of MiniLM's token vectors over general English, (384,); `benchmarks/make_token_mean.py` makes it."""
        with (files("pipeline.embed.builtin") / MEAN).open("rb") as stored, np.load(stored) as arrays:
            return np.asarray(arrays["mean"], np.float32)

    @cached_property
    def _ocr(self) -> Ocr:
        return Ocr(self._threads)

    @property
    def _minilm(self) -> MiniLM:
        return minilm(self._threads)


def pooled(vectors: Vectors, by: int) -> TokenVectors:
    """Means of `by` consecutive rows, unit length, float16: (ceil(n / by), dim) of (n, dim).

    >>> pooled(np.array([[1, 0], [1, 0], [0, 1]], np.float32), 2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if not len(vectors):
        return vectors.astype(np.float16)
    starts = np.arange(0, len(vectors), by)
    return unit(np.add.reduceat(vectors, starts, axis=0)).astype(np.float16)
