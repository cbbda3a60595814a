"""NeoMME by transformers' own model; its pictures are made ready here, since the library's way needs torchvision."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from transformers import AutoTokenizer, NeoMMEForRetrieval, NeoMMEProcessor
from transformers.image_processing_backends import PilBackend
from transformers.image_processing_utils import BatchFeature

from pipeline.embed.late_native import SAFE, weighed

DEFAULTS: dict[str, Any] = {
    "patch_size": 32,
    "max_side": None,
    "size": None,
    "do_resize": True,
    "resample": Image.Resampling.BILINEAR,
    "rescale_factor": 1 / 255,
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
}


class Pictures(PilBackend):  # type: ignore[misc]
    """Pictures as rows of patches: scaled to a budget, padded to whole patches with black below and on the right.

    Settings have the names of transformers' NeoMMEImageProcessor.
    """

    model_input_names = ("pixel_values", "image_grid_hw")

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.settings = DEFAULTS | {name: value for name, value in settings.items() if name in DEFAULTS}

    def __call__(self, images: Sequence[Any], **_: Any) -> BatchFeature:
        """`pixel_values` are (patches of all pictures, 3 x patch x patch), `image_grid_hw` (pictures, 2)."""
        flat = [picture for one in images for picture in (one if isinstance(one, list | tuple) else [one])]
        made = [self._patches(picture) for picture in flat]
        grids = torch.tensor([grid.shape[:2] for grid in made])
        rows = np.concatenate([grid.reshape(-1, grid.shape[-1]) for grid in made])
        return BatchFeature({"pixel_values": torch.from_numpy(rows), "image_grid_hw": grids})

    def _patches(self, picture: Image.Image) -> npt.NDArray[np.float32]:
        """(rows, columns, patch x patch x 3) float32."""
        told = self.settings
        pixels = np.asarray(self._scaled(picture.convert("RGB")))
        side = told["patch_size"]
        rows, columns = (-(-length // side) for length in pixels.shape[:2])
        below, right = rows * side - pixels.shape[0], columns * side - pixels.shape[1]
        padded = np.pad(pixels, ((0, below), (0, right), (0, 0))).astype(np.float32)
        values = (padded * told["rescale_factor"] - np.float32(told["image_mean"])) / np.float32(told["image_std"])
        cut = values.reshape(rows, side, columns, side, 3).transpose(0, 2, 1, 3, 4)
        return np.asarray(cut.reshape(rows, columns, -1), np.float32)

    def _scaled(self, picture: Image.Image) -> Image.Image:
        size = self.settings["size"] or {}
        wanted = fitted(picture.size, self.settings["max_side"], size.get("min_pixels"), size.get("max_pixels"))
        if not self.settings["do_resize"] or wanted == picture.size:
            return picture
        return picture.resize(wanted, self.settings["resample"])


class Processor:
    """Pages and questions in the checkpoint's own chat template."""

    def __init__(self, processor: Any) -> None:
        self._processor, self.tokenizer = processor, processor.tokenizer
        self.image_token_id, self.row_token_id = processor.image_token_id, processor.tokenizer.row_token_id

    def process_images(self, images: Sequence[Image.Image]) -> Any:
        return self._templated([[{"type": "image", "image": image}] for image in images], "document")

    def process_queries(self, text: Sequence[str]) -> Any:
        return self._templated(text, "query")

    def _templated(self, contents: Sequence[Any], task: str) -> Any:
        messages = [[{"role": "user", "content": content}] for content in contents]
        more = {"tokenize": True, "return_dict": True, "return_tensors": "pt"}
        return self._processor.apply_chat_template(messages, task=task, processor_kwargs={"padding": "longest"}, **more)


def load(folder: Path, base: Path | None, architecture: str, dtype: Any) -> tuple[Any, Any, Any]:  # noqa: ARG001
    """Model, processor, and what the library says of the weights that it found."""
    tokenizer = AutoTokenizer.from_pretrained(folder, **SAFE)
    template = folder / "chat_template.jinja"
    chat = template.read_text(encoding="utf-8") if template.is_file() else tokenizer.chat_template
    processor = NeoMMEProcessor(Pictures(_settings(folder)), tokenizer, chat_template=chat)
    model, report = weighed(NeoMMEForRetrieval, folder, dtype)
    return model, Processor(processor), report


def fitted(
    size: tuple[int, int], max_side: int | None, min_pixels: int | None, max_pixels: int | None
) -> tuple[int, int]:
    """The size nearest to this one, in the same proportions, within the limits; caps go before the minimum.

    >>> fitted((4000, 1000), 2048, None, None), fitted((100, 50), 2048, 20_000, None), fitted((9, 9), None, None, None)
    ((2048, 512), (200, 100), (9, 9))
    """
    area, scale = size[0] * size[1], 1.0
    if min_pixels is not None and area < min_pixels:
        scale = math.sqrt(min_pixels / area)
    caps = [max_side / max(size)] if max_side is not None else []
    caps += [math.sqrt(max_pixels / area)] if max_pixels is not None else []
    scale = min([scale, *caps])
    if scale == 1.0:
        return size

    def fits(width: int, height: int) -> bool:
        return max(width, height) <= (max_side or math.inf) and width * height <= (max_pixels or math.inf)

    rounded, floored, ceiled = (
        (max(1, way(size[0] * scale)), max(1, way(size[1] * scale))) for way in (round, math.floor, math.ceil)
    )
    if not fits(*rounded):
        return floored
    grown = min_pixels is not None and area < min_pixels and rounded[0] * rounded[1] < min_pixels
    return ceiled if grown and fits(*ceiled) else rounded


def _settings(folder: Path) -> dict[str, Any]:
    """Of the pictures, from the processor's file, or from one of their own as older versions write it."""
    for name, key in (("processor_config.json", "image_processor"), ("preprocessor_config.json", "")):
        if (folder / name).is_file():
            told = json.loads((folder / name).read_bytes())
            found = told.get(key) if key else told
            if isinstance(found, dict):
                return found
    raise FileNotFoundError(f"{folder} has no processor_config.json")
