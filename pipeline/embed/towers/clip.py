"""CLIP, SigLIP, SigLIP 2 and MetaCLIP 2 by transformers' own classes: captions and pictures in one space."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.embed.catalog import Entry
from pipeline.embed.towers import SAFE, loaded
from pipeline.types import Vectors


class ClipTower:
    """`context` tokens of a text are read; SigLIP was trained with all texts padded to that length."""

    def __init__(self, model: Any, processor: Any, context: int, pads_fully: bool) -> None:
        self._model, self._processor = model, processor
        self._padding: dict[str, Any] = {"padding": "max_length" if pads_fully else True, "max_length": context}

    def texts(self, texts: Sequence[str], *, are_queries: bool) -> Vectors:  # noqa: ARG002
        batch = self._processor(text=list(texts), truncation=True, return_tensors="pt", **self._padding)
        return self._run(self._model.get_text_features, batch)

    def pictures(self, pictures: Sequence[Image.Image]) -> Vectors:
        return self._run(self._model.get_image_features, self._processor(images=list(pictures), return_tensors="pt"))

    def _run(self, embed: Any, batch: Any) -> Vectors:
        import torch

        model = self._model
        inputs = {
            name: value.to(model.device, model.dtype if value.is_floating_point() else value.dtype)
            for name, value in batch.items()
        }
        with torch.inference_mode():
            found = embed(**inputs)
        pooled = found if isinstance(found, torch.Tensor) else found.pooler_output
        vectors: Vectors = pooled.float().cpu().numpy()
        return vectors


def load(folders: Sequence[Path], device: str, dtype: Any, entry: Entry, code_revision: str = "") -> ClipTower:  # noqa: ARG001
    import transformers

    (folder,) = folders
    architecture = json.loads((folder / "config.json").read_bytes())["architectures"][0]
    model = loaded(getattr(transformers, architecture), folder, dtype).to(device)
    # One way of scaling pictures, so that vectors do not depend on what else is installed.
    processor = transformers.AutoProcessor.from_pretrained(folder, backend="pil", **SAFE)
    return ClipTower(model, processor, entry.context, architecture.startswith("Siglip"))
