"""The built-in unified embedder for about a hundred languages: multilingual-e5-small, and pictures in its space.

Vectors of this model all point in much the same direction. For passages that does no harm; between pictures and
questions it hides what they have in common, so there the mean of each kind is taken off first. The two means are fixed
and lie beside the labels, so that vectors do not depend on the corpus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.embed.builtin.e5 import MAX_TOKENS, PASSAGE, QUERY, e5
from pipeline.embed.builtin.pictures import E5_LABELS, Means, PictureModel, load_means
from pipeline.embed.builtin.text import unit
from pipeline.embed.builtin.unified import with_words
from pipeline.embed.notes import too_long
from pipeline.types import ModelId, PictureInput, Vectors


class MultilingualUnified:
    """`Unified` with pip alone, on a CPU. Weights load at the first vector of their kind."""

    one_scale = False
    pictures_id: ModelId | None = None

    def __init__(self, *, threads: int = 0) -> None:
        self._text = e5(threads)
        self._pictures = PictureModel(self._text.id, threads, E5_LABELS)

    @property
    def id(self) -> ModelId:
        text = self._text.id
        revision = f"{text.revision}+{self._pictures.revision}"
        return replace(text, name=f"{text.name}+efficientnet-lite0", revision=revision)

    @property
    def max_tokens(self) -> int:
        return MAX_TOKENS - len(self._text.ids(PASSAGE))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(self._text.ids(text)) for text in texts]

    def notes(self, query: str) -> tuple[str, ...]:
        return too_long(self.count_tokens([query])[0], self.max_tokens)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        return self._text.embed(texts, PASSAGE)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Queries of any length; a long one is the mean of its windows."""
        return self._text.embed(texts, QUERY)

    def embed_picture_queries(self, texts: Sequence[str], queries: Vectors) -> Vectors:  # noqa: ARG002
        return unit(queries - self._means.queries)

    def embed_pictures(self, pictures: Sequence[PictureInput]) -> Vectors:
        """Pictures with their words: caption if there is one, else context, of which the first 510 tokens count.

        Raises Unreadable for a picture that cannot be decoded.
        """
        seen = unit(self._pictures.embed([picture.path for picture in pictures]) - self._means.labels)
        return with_words(seen, pictures, self._words)

    def _words(self, texts: Sequence[str]) -> Vectors:
        return unit(self._text.embed_starts(texts, QUERY) - self._means.queries)

    @property
    def _means(self) -> Means:
        return load_means(E5_LABELS)
