"""Late interaction over the picture of a page: ColPali and its kin behind the `PageModel` protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from pipeline.embed import Frequencies, Reader
from pipeline.embed.choices import Choices
from pipeline.embed.device import Passes, device_of, dtype_of
from pipeline.embed.late_checkpoint import Checkpoint
from pipeline.embed.late_grid import regrouped
from pipeline.embed.late_model import LateModel, Looked, late_model
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
        choices: Choices = Choices(),  # noqa: B008
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
        self._checkpoint, self._threads, self._pooling, self._reader = checkpoint, threads, pooling, reader
        self._device, self._dtype = device_of(choices), dtype_of(checkpoint.name, choices)
        self._passes = Passes(self._device, pictures or PICTURES[self._device])

    @property
    def id(self) -> ModelId:
        made = self._checkpoint
        pooling = f"hierarchical-{self._pooling}" if self._pooling > 1 else "none"
        return ModelId(made.name, made.revision, made.dim, pooling, dtype=self._dtype)

    @property
    def device(self) -> str:
        return self._device

    def embed_pages(self, pages: Sequence[PageInput]) -> list[PageEmbedding]:
        """One embedding a page, in order, with its grid and with the text for a search by words.

        The text is the page's own where there is a text layer, and otherwise read by OCR. Raises Unreadable for a
        picture that cannot be decoded, and UsageError if the model cannot be loaded or memory is too small for a page.
        """
        looked = self._passes.run(pages, self._looked, self._checkpoint.name)
        seen = [one for group in looked for one in group]
        return [self._embedding(page, found) for page, found in zip(pages, seen, strict=True)]

    def _looked(self, pages: Sequence[PageInput]) -> list[Looked]:
        return self._model.pages([open_page(page.image.path) for page in pages])

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
        return late_model(self._checkpoint, self._device, self._dtype, self._threads)

    @cached_property
    def reader(self) -> Reader:
        return self._reader or Ocr(threads=self._threads)
