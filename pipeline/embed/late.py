"""Late interaction over the picture of a page: ColPali, ColQwen2 and ColModernVBERT behind the `PageModel` protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from pipeline.embed import Frequencies, Reader
from pipeline.embed.late_checkpoint import Checkpoint
from pipeline.embed.late_grid import regrouped
from pipeline.embed.late_model import LateModel, Looked, late_model, place
from pipeline.embed.late_picture import open_page
from pipeline.embed.ocr import Ocr
from pipeline.embed.token_pooling import hierarchical
from pipeline.types import ModelId, PageEmbedding, PageInput, QueryTokens, TextLine

PICTURES = {"cpu": 2, "mps": 2, "cuda": 4}  # in one pass
QUERY_CHARS = 2_000  # cost grows with the square of a question's length


class LatePages:
    """A `PageModel` that looks at the page. Weights load at the first page or question.

    A page's vectors are those of its picture's own tokens; vectors of the instruction that the model was trained with
    are dropped, as they say nothing of the page. `pooling` n makes n vectors that look alike one, 1 keeps all.
    """

    uses_frequencies = False

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        threads: int = 0,
        pooling: int = 1,
        pictures: int = 0,
        reader: Reader | None = None,
    ) -> None:
        """`threads` of compute, 0 leaves torch's own choice; `pictures` in one pass, 0 is what suits the device.

        `reader` reads the words of pages that have no text layer; by default OCR with the models inside the wheel.
        """
        if pooling < 1:
            raise ValueError(f"pooling must be 1 or more, not {pooling}")
        self._checkpoint, self._threads, self._pooling, self._pictures = checkpoint, threads, pooling, pictures
        self._reader = reader

    @property
    def id(self) -> ModelId:
        made = self._checkpoint
        return ModelId(
            made.name, made.revision, made.dim, f"hierarchical-{self._pooling}" if self._pooling > 1 else "none"
        )

    @property
    def device(self) -> str:
        return place()[0]

    def embed_pages(self, pages: Sequence[PageInput]) -> list[PageEmbedding]:
        """One embedding a page, in order, with its grid and with the text for a search by words.

        The text is the page's own where there is a text layer, and otherwise read by OCR. Raises Unreadable for a
        picture that cannot be decoded, and UsageError if the model cannot be loaded.
        """
        made: list[PageEmbedding] = []
        step = self._pictures or PICTURES[self._model.device]
        for first in range(0, len(pages), step):
            group = pages[first : first + step]
            looked = self._model.pages([open_page(page.image.path) for page in group])
            made += [self._embedding(page, seen) for page, seen in zip(group, looked, strict=True)]
        return made

    def count_frequencies(self, texts: Iterable[str]) -> Frequencies:
        raise NotImplementedError(f"{self._checkpoint.name} weighs all tokens of a question alike")

    def embed_query(self, text: str, frequencies: Frequencies | None = None) -> QueryTokens:  # noqa: ARG002
        """A vector of weight 1 for each token of the question's first 2,000 characters; none for an empty one."""
        if not text.strip():
            return QueryTokens(np.zeros((0, self._checkpoint.dim), np.float32), np.zeros(0, np.float32))
        return self._model.query(text[:QUERY_CHARS])

    def line_owners(self, text: str) -> list[tuple[int, ...]]:  # noqa: ARG002
        """[]: what a vector stands for is in the page's grid."""
        return []

    def _embedding(self, page: PageInput, seen: Looked) -> PageEmbedding:
        lines = self._lines(page)
        pooled = hierarchical(seen.vectors, self._pooling)
        text = "\n".join(line.text for line in lines)
        vectors, grid = pooled.vectors.astype(np.float16), regrouped(seen.grid, pooled.group)
        return PageEmbedding(vectors, text, lines, grid, len(seen.vectors))

    def _lines(self, page: PageInput) -> tuple[TextLine, ...]:
        if page.lines is not None:
            return page.lines
        return self.reader.read(page.image.path, page.image.width_pt, page.image.height_pt).lines

    @property
    def _model(self) -> LateModel:
        return late_model(self._checkpoint, self._threads)

    @cached_property
    def reader(self) -> Reader:
        return self._reader or Ocr(threads=self._threads)
