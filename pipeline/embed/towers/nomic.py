"""Nomic Embed Text v1.5 and Nomic Embed Vision v1.5: two towers that were trained into one space."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.embed.catalog import Entry
from pipeline.embed.towers import SAFE, loaded
from pipeline.embed.towers.nomic_vision import NomicVision, VisionConfig
from pipeline.types import Vectors


class NomicTower:
    """Texts are the mean of their tokens, then normalised over their values, as the two towers were made to meet."""

    def __init__(self, text: Any, tokenizer: Any, vision: NomicVision, pixels: Any, context: int) -> None:
        self._text, self._tokenizer, self._vision, self._pixels = text, tokenizer, vision, pixels
        self._context = context

    def texts(self, texts: Sequence[str], *, are_queries: bool) -> Vectors:  # noqa: ARG002
        import torch
        from torch.nn import functional

        batch = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._context, return_tensors="pt"
        ).to(self._text.device)
        with torch.inference_mode():
            states = self._text(**batch).last_hidden_state.float()
        mask = batch["attention_mask"].unsqueeze(-1).float()
        mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
        vectors: Vectors = functional.layer_norm(mean, mean.shape[1:]).cpu().numpy()
        return vectors

    def pictures(self, pictures: Sequence[Image.Image]) -> Vectors:
        import torch

        weights = next(self._vision.parameters())
        pixels = self._pixels(images=list(pictures), return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            vectors: Vectors = self._vision(pixels.to(weights.device, weights.dtype)).float().cpu().numpy()
        return vectors


def load(folders: Sequence[Path], device: str, dtype: Any, entry: Entry, code_revision: str = "") -> NomicTower:  # noqa: ARG001
    import transformers

    text, vision = folders
    tokenizer = transformers.AutoTokenizer.from_pretrained(text, **SAFE)
    pixels = transformers.AutoImageProcessor.from_pretrained(vision, backend="pil", **SAFE)
    towers = loaded(transformers.NomicBertModel, text, dtype).to(device), load_vision(vision).to(device, dtype)
    return NomicTower(towers[0], tokenizer, towers[1], pixels, entry.context)


def load_vision(folder: Path) -> NomicVision:
    """The picture tower of a folder in float32; raises ValueError or RuntimeError for other weights than it has."""
    from safetensors.torch import load_file

    model = NomicVision(VisionConfig.read(json.loads((folder / "config.json").read_bytes())))
    weights = load_file(folder / "model.safetensors")
    model.load_state_dict({name.removeprefix("model."): value.float() for name, value in weights.items()})
    return model.eval()
