"""Embedders behind two small protocols: `Unified` for passages and pictures, `PageModel` for page pictures.

`id`, `max_tokens` and `count_tokens` are cheap: they need no weights. Weights load at the first `embed_*` call, so a
run with nothing to do loads no model.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.types import ModelId, PageEmbedding, PageInput, PictureInput, QueryTokens, Reading, Vectors

# Threads that wait must not spin: parse workers need the same cores. Read once, when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class Unified(Protocol):
    """One space for passages and pictures. All vectors are (n, dim) float32 with unit rows, order kept."""

    @property
    def id(self) -> ModelId: ...

    @property
    def pictures_id(self) -> ModelId | None:
        """The model of the pictures, if it is another one, with a space of its own; else None."""
        ...

    @property
    def one_scale(self) -> bool:
        """True if the cosines that a question has to passages and to pictures can be compared."""
        ...

    @property
    def max_tokens(self) -> int:
        """Tokens of content that fit into one passage, special tokens and prefixes already taken off."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of content of each text, by the model's own tokenizer, without special tokens."""
        ...

    def notes(self, query: str) -> tuple[str, ...]:
        """What a person should know of this question: that it is longer than the model reads at once."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Vectors: ...

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Questions as vectors to find passages and pages with."""
        ...

    def embed_picture_queries(self, texts: Sequence[str], queries: Vectors) -> Vectors:
        """The same questions as vectors to find pictures with; `queries` is what `embed_queries` made of them."""
        ...

    def embed_pictures(self, pictures: Sequence[PictureInput]) -> Vectors: ...


@dataclass(frozen=True, slots=True)
class Frequencies:
    """On how many of `pages` pages each token of the model stands; `counts` is (vocabulary,) int64."""

    pages: int
    counts: npt.NDArray[np.int64]


class Reader(Protocol):
    """Reads the words on page pictures."""

    @property
    def id(self) -> str:
        """Engine, models, language and version: the same picture and the same id give the same reading."""
        ...

    def read(self, path: Path, width_pt: float, height_pt: float) -> Reading:
        """The picture's lines with boxes in page points. Raises Unreadable if it cannot be decoded."""
        ...


class Reranker(Protocol):
    """Reads a question and a passage together."""

    @property
    def name(self) -> str: ...

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score a text, higher for a better answer; they order the passages of one question only."""
        ...


class PageModel(Protocol):
    """Late interaction: many vectors a page, scored by MaxSim. Rows are unit, documents float16, queries float32."""

    @property
    def id(self) -> ModelId: ...

    @property
    def reader(self) -> Reader:
        """What the words of pages without a text layer are read with."""
        ...

    @property
    def device(self) -> str:
        """Where it computes, "cpu" or "cuda"; MaxSim goes there too."""
        ...

    @property
    def uses_frequencies(self) -> bool:
        """True if query weights depend on the corpus (`count_frequencies` fills them)."""
        ...

    def embed_pages(self, pages: Sequence[PageInput]) -> list[PageEmbedding]: ...

    def count_frequencies(self, texts: Iterable[str]) -> Frequencies:
        """Token document frequencies over the texts of all pages; raises if `uses_frequencies` is False."""
        ...

    def embed_query(self, text: str, frequencies: Frequencies | None = None) -> QueryTokens: ...

    def line_owners(self, text: str) -> list[tuple[int, ...]]:
        """For each vector of a page with this text, in order: the indices of the lines its words stand on.

        Lines are those of `text.split("\\n")`. Needs no weights. A model that looks at the picture gives [].
        """
        ...
