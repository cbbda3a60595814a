"""Late interaction from pip alone: token vectors of multilingual-e5-small over the text that stands on a page.

No model trained for it is small enough to come in a wheel, so the words are read (text layer or OCR), encoded in
context, averaged over neighbours and projected onto 128 directions. It finds pages by their words; it does not see
figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.embed import Frequencies, Reader
from pipeline.embed.builtin.e5 import E5, PASSAGE, QUERY, VOCABULARY, e5
from pipeline.embed.builtin.text import unit
from pipeline.embed.builtin.windows import windows_of
from pipeline.embed.ocr import Ocr
from pipeline.types import ModelId, PageEmbedding, PageInput, QueryTokens, TextLine, TokenVectors, Vectors

DIM = 128
MOST_VECTORS = 192  # of a page, 49 kB in float16: a dense page has 600 to 900 tokens
WINDOW = 256  # tokens in one pass, with the prefix; longer ones cost more and find less
MIN_PAGES = 20  # a smaller corpus says little of how rare a token is
BASIS = Path(__file__).parent / "page_basis.npz"  # fixed, so that vectors do not depend on the corpus


class BuiltinPages:
    """A `PageModel`. Weights of the encoder and of OCR load at the first page that needs them.

    `threads` of compute, 0 leaves the libraries' own choice. `pooling` n makes one vector of n neighbouring tokens, 1
    keeps all; 0, the default, keeps all of a short page and makes at most 192 of a long one.
    """

    uses_frequencies = True
    device = "cpu"

    def __init__(self, threads: int = 0, pooling: int = 0, reader: Reader | None = None) -> None:
        """`reader` reads pages that have no text layer; by default OCR with the models inside the wheel."""
        if pooling < 0:
            raise ValueError(f"pooling must be 0 or more, not {pooling}")
        self._threads = threads
        self._pooling = pooling
        self._reader = reader

    @property
    def id(self) -> ModelId:
        pooling = f"sequential-{self._pooling}" if self._pooling else f"even-{MOST_VECTORS}"
        return ModelId("builtin-pages", "e5-small-q4-ocr-1", DIM, pooling)

    def embed_pages(self, pages: Sequence[PageInput]) -> list[PageEmbedding]:
        """One embedding a page, in order; a page without text has (0, 128) vectors and the text "".

        The lines are those of the text: a line that was given with a newline in it has a space there.
        """
        read = [self._lines(page) for page in pages]
        texts = ["\n".join(line.text for line in lines) for lines in read]
        ids = [self._encoder.ids(text) for text in texts]
        return [
            PageEmbedding(vectors, text, lines, token_count=len(tokens))
            for vectors, text, lines, tokens in zip(self._vectors(ids), texts, read, ids, strict=True)
        ]

    def count_frequencies(self, texts: Iterable[str]) -> Frequencies:
        counts = np.zeros(VOCABULARY, np.int64)
        pages = 0
        for text in texts:
            counts[np.unique(np.array(self._encoder.ids(text), np.int64))] += 1
            pages += 1
        return Frequencies(pages, counts)

    def embed_query(self, text: str, frequencies: Frequencies | None = None) -> QueryTokens:
        """A vector for each token; its weight is ln((N + 1) / (df + .5)), at least 0.

        Weights are 1 without frequencies, in a corpus of fewer than 20 pages, and when all of them would be 0.
        """
        ids = self._encoder.ids(text)
        vectors = projected(self._states([ids], QUERY)[0])
        weights = np.ones(len(ids), np.float32)
        if frequencies is not None and frequencies.pages >= MIN_PAGES:
            rarity = np.log((frequencies.pages + 1) / (frequencies.counts[ids] + 0.5)).clip(min=0).astype(np.float32)
            weights = rarity if rarity.any() else weights
        return QueryTokens(vectors, weights)

    def line_owners(self, text: str) -> list[tuple[int, ...]]:
        """For each vector of a page with this text: the indices in `text.split("\\n")` of the lines of its tokens."""
        ends = [place for place, letter in enumerate(text) if letter == "\n"]
        begins = [start for start, _ in self._encoder.offsets(text)]
        lines = np.searchsorted(ends, begins)
        return [
            tuple(np.unique(group).tolist()) for group in np.split(lines, self._starts(len(lines))[1:]) if len(group)
        ]

    def _lines(self, page: PageInput) -> tuple[TextLine, ...]:
        if page.lines is None:
            return self.reader.read(page.image.path, page.image.width_pt, page.image.height_pt).lines
        return tuple(TextLine(" ".join(line.text.split("\n")), line.bbox, line.confidence) for line in page.lines)

    def _vectors(self, ids: Sequence[Sequence[int]]) -> list[TokenVectors]:
        return [
            projected(pooled(states, self._encoder.rarity(tokens), self._starts(len(tokens)))).astype(np.float16)
            for states, tokens in zip(self._states(ids, PASSAGE), ids, strict=True)
        ]

    def _starts(self, tokens: int) -> npt.NDArray[np.int64]:
        """Where among the tokens of a page each vector's begin."""
        if self._pooling:
            return np.arange(0, tokens, self._pooling)
        vectors = min(tokens, MOST_VECTORS)
        return np.arange(vectors) * tokens // max(vectors, 1)

    def _states(self, texts: Sequence[Sequence[int]], prefix: str) -> list[Vectors]:
        """Unit vectors of all tokens of each text, (tokens, 384); every window is read after the prefix."""
        lead = self._encoder.ids(prefix)
        cut = [windows_of(ids, WINDOW - len(lead)) if ids else [] for ids in texts]
        read = iter(self._encoder.encode_windows([[*lead, *window] for windows in cut for window in windows]))
        empty = np.zeros((0, len(basis())), np.float32)
        return [unit(np.concatenate([empty, *(next(read)[len(lead) :] for _ in windows)])) for windows in cut]

    @cached_property
    def reader(self) -> Reader:
        return self._reader or Ocr(threads=self._threads)

    @property
    def _encoder(self) -> E5:
        return e5(self._threads)


def pooled(vectors: Vectors, weights: npt.NDArray[np.float32], starts: npt.NDArray[np.int64]) -> Vectors:
    """Unit means of consecutive rows, from each of `starts` to the next, by weight: (len(starts), dim) of (n, dim).

    >>> pooled(np.eye(2, dtype=np.float32), np.array([3, 4], np.float32), np.array([0])).round(1).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    if not len(vectors):
        return vectors
    return unit(np.add.reduceat(vectors * weights[:, None], starts, axis=0))


def projected(vectors: Vectors) -> Vectors:
    """(n, 128) unit rows of (n, 384): what the vectors are in the 128 directions that matter most in general text."""
    return unit(vectors @ basis())


@cache
def basis() -> npt.NDArray[np.float32]:
    """(384, 128) with orthogonal columns; `benchmarks/make_page_basis.py` makes it."""
    with np.load(BASIS, allow_pickle=False) as arrays:
        return np.asarray(arrays["basis"], np.float32)
