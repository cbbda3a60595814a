"""Runs a late-interaction checkpoint: pictures and questions to vectors, nothing else."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from PIL import Image

from pipeline.embed.late_architecture import ARCHITECTURES
from pipeline.embed.late_checkpoint import Checkpoint, files_of
from pipeline.embed.token_pooling import unit
from pipeline.errors import UsageError
from pipeline.types import PageGrid, QueryTokens, Vectors


@dataclass(frozen=True, slots=True)
class Looked:
    """What a model saw on a page: (vectors, dim) float32 unit rows, and where on the page each of them looks."""

    vectors: Vectors
    grid: PageGrid


class LateModel:
    """A loaded model and its processor; make it with `late_model`."""

    def __init__(self, architecture: str, model: Any, processor: Any) -> None:
        self._model, self._processor, self._how = model, processor, ARCHITECTURES[architecture]

    @property
    def device(self) -> str:
        return str(self._model.device.type)

    def pages(self, pictures: Sequence[Image.Image]) -> list[Looked]:
        """Vectors of the picture's own tokens, in one pass; those of the instruction around them are dropped."""
        batch = self._processor.process_images(list(pictures))
        embeddings = self._run(batch)
        seen = batch["input_ids"] == self._processor.image_token_id
        return [
            Looked(
                unit(embeddings[place][seen[place].numpy()][self._how.marks :]),
                self._how.grid(self._processor, batch, place),
            )
            for place in range(len(pictures))
        ]

    def query(self, text: str) -> QueryTokens:
        """All tokens of the question as the model was trained to see it, with prefix and added tokens, weight 1 each.

        Its own are those between what an empty question begins and ends with too.
        """
        batch = self._processor.process_queries([self._said(text)])
        seen = batch["attention_mask"][0].bool().numpy()
        vectors = unit(self._run(batch)[0][seen])
        ids, empty = batch["input_ids"][0].numpy()[seen].tolist(), self._without_words
        start = next((i for i, pair in enumerate(zip(ids, empty, strict=False)) if pair[0] != pair[1]), len(empty))
        own = np.zeros(len(ids), np.bool_)
        own[start : start + len(ids) - len(empty)] = True
        return QueryTokens(vectors, np.ones(len(vectors), np.float32), own if own.any() else None)

    @cached_property
    def _without_words(self) -> list[int]:
        """The tokens of an empty question."""
        batch = self._processor.process_queries([""])
        ids: list[int] = batch["input_ids"][0][batch["attention_mask"][0].bool()].tolist()
        return ids

    def _said(self, text: str) -> str:
        """The text without marks such as that of a picture, which would mean something else to the model than words."""
        for mark in self._marks:
            text = text.replace(mark, f" {mark.strip('<|>')} ")
        return text

    @cached_property
    def _marks(self) -> list[str]:
        tokenizer = self._processor.tokenizer
        marks = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
        marks.add(tokenizer.convert_ids_to_tokens(int(self._processor.image_token_id)))
        return sorted(mark for mark in marks if mark.startswith("<") and mark.endswith(">"))

    def _run(self, batch: Any) -> Any:
        """(pages, tokens, dim) float32."""
        import torch

        device, dtype = self._model.device, self._model.dtype
        inputs = {
            name: value.to(device, dtype if value.is_floating_point() else value.dtype)
            for name, value in batch.items()
            if name != "labels"  # for training
        }
        with torch.inference_mode():
            found = self._model(**inputs).embeddings
        return found.float().cpu().numpy().astype(np.float32, copy=False)


@cache
def late_model(checkpoint: Checkpoint, device: str, dtype: str, threads: int = 0) -> LateModel:
    """The process's model of a checkpoint on a device, computing in a precision.

    Raises UsageError if files are missing, damaged or not all there, or if a library is.
    """
    import torch
    import transformers
    from safetensors import SafetensorError

    if threads:
        torch.set_num_threads(threads)
    folder, base = files_of(checkpoint)
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()  # it tells of every kernel that could be faster
    module, _, function = ARCHITECTURES[checkpoint.architecture].loader.partition(":")
    try:
        load = getattr(importlib.import_module(module), function)
        model, processor, report = load(folder, base, checkpoint.architecture, getattr(torch, dtype))
    except ImportError as error:
        raise UsageError(f"{checkpoint.name}: {_first_line(error)} (install what it needs beside torch)") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        raise UsageError(f"{checkpoint.name}: the model in {folder} cannot be loaded ({_first_line(error)})") from error
    absent = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if absent:  # the library would make them up
        raise UsageError(
            f"{checkpoint.name}: {len(absent)} weights are missing in {folder}, such as {absent[0]}; "
            "the model needs the layout of transformers (its repository is often called NAME-hf)"
        )
    return LateModel(checkpoint.architecture, model.to(device).eval(), processor)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".")[:300] if lines else type(error).__name__
