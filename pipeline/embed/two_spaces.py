"""Two models side by side: one for passages and pages, one for pictures, each with a vector column of its own.

What a model for captions needs (CLIP, SigLIP): its text side reads 64 to 77 tokens, so that passages would be lost. It
costs a second model in memory, a second vector for each question, and cosines of the two say nothing of each other.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.embed import Unified
from pipeline.types import ModelId, PictureInput, Vectors


class TwoSpaces:
    """`Unified` of two others; `id` is that of the passages, `pictures_id` that of the pictures."""

    one_scale = False

    def __init__(self, text: Unified, pictures: Unified) -> None:
        self._text, self._pictures = text, pictures

    @property
    def id(self) -> ModelId:
        return self._text.id

    @property
    def pictures_id(self) -> ModelId | None:
        return self._pictures.id

    @property
    def max_tokens(self) -> int:
        return self._text.max_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._text.count_tokens(texts)

    def notes(self, query: str) -> tuple[str, ...]:
        of_pictures = self._pictures.notes(query)
        return (*self._text.notes(query), *(f"pictures: {note}" for note in of_pictures))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        return self._text.embed_texts(texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._text.embed_queries(texts)

    def embed_picture_queries(self, texts: Sequence[str], queries: Vectors) -> Vectors:  # noqa: ARG002
        return self._pictures.embed_picture_queries(texts, self._pictures.embed_queries(texts))

    def embed_pictures(self, pictures: Sequence[PictureInput]) -> Vectors:
        return self._pictures.embed_pictures(pictures)
