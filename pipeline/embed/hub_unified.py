"""A hub model, or one in a folder, behind the `Unified` protocol: prompts, dimensions, passes, long texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.embed import hub
from pipeline.embed.builtin.text import unit
from pipeline.embed.builtin.views import on_white
from pipeline.embed.builtin.windows import encodable
from pipeline.embed.choices import Choices
from pipeline.embed.device import Passes, device_of, dtype_of
from pipeline.embed.notes import too_long
from pipeline.embed.remote_code import allowed_code
from pipeline.embed.spec import Spec
from pipeline.embed.tokens import Tokens
from pipeline.embed.towers import Tower, files, tower
from pipeline.errors import Unreadable, UsageError
from pipeline.types import ModelId, PictureInput, Vectors

LONG_SIDE_PX = 2048  # more than any of the processors keeps
SORTED = 512  # texts that are sorted by length together


class HubUnified:
    """`Unified` by a loaded checkpoint. Weights load at the first vector, the tokenizer at the first count.

    Vectors are cut to the dimensions that were chosen, and are of unit length after the cut.
    """

    one_scale = True
    pictures_id: ModelId | None = None

    def __init__(self, spec: Spec, choices: Choices, *, setting: str = "unified", threads: int = 0) -> None:
        """Raises UsageError for dimensions the model was not trained for, a device that is not there, code that may
        not run."""
        self._spec, self._choices, self._setting, self._threads = spec, choices, setting, threads
        self._query, self._passage = spec.entry.query or "", spec.entry.passage or ""
        self._code = allowed_code(spec, choices)
        self._dim = _cut(spec, choices.dims)
        self._dtype = dtype_of(spec.name, choices)

    def check_there(self) -> None:
        """Raises UsageError at once if the model is neither on this machine nor to be had."""
        for place in self._spec.places:
            hub.check_there(place)

    @property
    def id(self) -> ModelId:
        prompts = "" if self._spec.entry.query is None else f"{self._query}/ {self._passage}".strip()
        revision = f"{self._spec.revision}+code-{self._code[:12]}" if self._code else self._spec.revision
        return ModelId(self._spec.name, revision, self._dim, "own", prompts, self._dtype)

    @property
    def max_tokens(self) -> int:
        return max(1, self._spec.entry.context - self._tokens.specials - max(self._lead))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._tokens.count(texts)

    def notes(self, query: str) -> tuple[str, ...]:
        return too_long(self.count_tokens([query])[0], self.max_tokens)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Passages; one that is longer than `max_tokens` is the mean of its parts."""
        return self._embed(texts, self._passage, are_queries=False)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed(texts, self._query, are_queries=True)

    def embed_picture_queries(self, texts: Sequence[str], queries: Vectors) -> Vectors:  # noqa: ARG002
        return queries

    def embed_pictures(self, pictures: Sequence[PictureInput]) -> Vectors:
        """By what is seen on them; their words are found by BM25. Raises Unreadable, naming the file."""
        made = self._passes.run(
            [picture.path for picture in pictures],
            lambda paths: self._tower.pictures([open_picture(path) for path in paths]),
            self._spec.name,
        )
        return self._finished(made)

    def _embed(self, texts: Sequence[str], prompt: str, *, are_queries: bool) -> Vectors:
        parts = [self._tokens.parts(encodable(text), self.max_tokens) for text in texts]
        owner = np.repeat(np.arange(len(texts)), [len(part) for part in parts])
        flat = [part for group in parts for part in group]
        order = sorted(range(len(flat)), key=lambda place: -len(flat[place].text))
        made = self._passes.run(
            [prompt + flat[place].text for place in order],
            lambda group: self._tower.texts(group, are_queries=are_queries),
            self._spec.name,
        )
        found = self._finished(made)
        summed = np.zeros((len(texts), self._dim), np.float32)
        weights = np.array([flat[place].tokens for place in order], np.float32)[:, None]
        np.add.at(summed, owner[order], found * np.maximum(weights, 1))
        return unit(summed)

    def _finished(self, made: Sequence[npt.NDArray[np.float32]]) -> Vectors:
        if not made:
            return np.zeros((0, self._dim), np.float32)
        found = np.concatenate(made).astype(np.float32, copy=False)
        if found.ndim != 2 or found.shape[1] < self._dim:
            raise UsageError(
                f"{self._spec.name}: it makes vectors of {found.shape[-1]} values, {self._dim} are asked for"
            )
        return unit(found[:, : self._dim])

    @cached_property
    def _lead(self) -> tuple[int, int]:
        query, passage = self._tokens.count([self._query, self._passage])
        return query, passage

    @cached_property
    def _tokens(self) -> Tokens:
        return Tokens.read(files(self._spec, self._setting)[0])

    @cached_property
    def _passes(self) -> Passes:
        return Passes(device_of(self._choices), self._choices.batch)

    @property
    def _tower(self) -> Tower:
        return tower(self._spec, device_of(self._choices), self._dtype, self._threads, self._setting, self._code)


def open_picture(path: Path) -> Image.Image:
    """The picture in RGB, on white, at most 2,048 pixels long. Raises Unreadable."""
    try:
        with Image.open(path) as opened:
            opened.draft("RGB", (LONG_SIDE_PX, LONG_SIDE_PX))  # a large JPEG is decoded small
            picture = on_white(opened)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Unreadable(f"{path.name}: the picture cannot be decoded ({error})") from error
    picture.thumbnail((LONG_SIDE_PX, LONG_SIDE_PX), Image.Resampling.BICUBIC)
    least = max(1, -(-max(picture.size) // 100))  # no processor takes more than some 200 times as long as wide
    size = max(picture.width, least), max(picture.height, least)
    return picture if size == picture.size else picture.resize(size)


def _cut(spec: Spec, dims: int) -> int:
    """The dimensions of the vectors; raises UsageError for a cut that the model was not trained for."""
    full, trained = spec.entry.dim, spec.entry.dims
    if dims in (0, full):
        return full
    if dims > full or dims not in trained:
        known = ", ".join(map(str, (full, *trained)))
        raise UsageError(f"{spec.name}: model.dims is {dims}; it was trained for {known}")
    return dims
