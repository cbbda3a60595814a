"""ColSmol, ColQwen2.5 and ColQwen3.5: a vision-language model of transformers with one projection for every token.

Published by the package colpali-engine, most as adapters (`low_rank`) of a base that holds the projection. Names of
weights, prompts and the ten tokens after a question are those that the models were trained with.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from PIL import Image
from torch import nn
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    Idefics3Model,
    Idefics3PreTrainedModel,
    Idefics3Processor,
    Qwen2_5_VLModel,
    Qwen3_5Model,
)

from pipeline.embed.late_checkpoint import DIM
from pipeline.embed.late_native import SAFE, weighed
from pipeline.embed.low_rank import merge
from pipeline.embed.qwen import NAMES, PAGE, Inputs

ADDED = 10  # tokens after a question, for what its words leave open
UNUSED = [r"^lm_head\.", r"^mtp\."]


class ColIdefics3(Idefics3PreTrainedModel):  # type: ignore[misc]
    _keys_to_ignore_on_load_unexpected = UNUSED

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = Idefics3Model(config)
        self.linear = _projection(config)
        self.post_init()

    def forward(self, **inputs: Any) -> SimpleNamespace:
        return _embedded(self.linear, self.model(**inputs, use_cache=False))


class _QwenProjected:
    """What both bodies get: a projection of their last states, by its published name. Stands before the body."""

    _keys_to_ignore_on_load_unexpected = UNUSED

    def __init__(self, config: Any) -> None:
        super().__init__(config)  # type: ignore[call-arg]
        self.custom_text_proj = _projection(config)
        self.post_init()  # type: ignore[attr-defined]

    def forward(self, **inputs: Any) -> SimpleNamespace:
        return _embedded(self.custom_text_proj, super().forward(**inputs, use_cache=False))  # type: ignore[misc]


class ColQwen2_5(_QwenProjected, Qwen2_5_VLModel):  # type: ignore[misc]
    pass


class ColQwen3_5(_QwenProjected, Qwen3_5Model):  # type: ignore[misc]
    pass


CLASSES: dict[str, tuple[Any, dict[str, str], str]] = {  # class, renamed weights, what stands before questions
    "ColIdefics3": (ColIdefics3, {}, "Query: "),
    "ColQwen2_5": (ColQwen2_5, NAMES, "Query: "),
    "ColQwen3_5": (ColQwen3_5, {}, ""),
}


class TilePages:
    """Pages and questions of ColSmol, pages in tiles."""

    PAGE = "<|im_start|>User:<image>Describe the image.<end_of_utterance>\nAssistant:"

    def __init__(self, processor: Any, lead: str) -> None:
        self._processor, self._lead = processor, lead
        self.tokenizer, self.image_seq_len = processor.tokenizer, processor.image_seq_len
        self.image_token_id = processor.image_token_id
        self.tokenizer.padding_side = "left"

    def process_images(self, images: Sequence[Image.Image]) -> Any:
        one_each = [[image] for image in images]
        return self._processor(text=[self.PAGE] * len(images), images=one_each, padding="longest", return_tensors="pt")

    def process_queries(self, text: Sequence[str]) -> Any:
        asked = [self._lead + words + "<end_of_utterance>" * ADDED for words in text]
        return self._processor(text=asked, padding="longest", return_tensors="pt")


class PatchPages:
    """Pages and questions of the ColQwens, pages in merged patches."""

    def __init__(self, inputs: Inputs, lead: str) -> None:
        self._inputs, self._lead = inputs, lead
        self.image_processor, self.tokenizer = inputs.image_processor, inputs.tokenizer
        self.image_token_id = inputs.image_token_id

    def process_images(self, images: Sequence[Image.Image]) -> dict[str, Any]:
        return self._inputs.pictures(images)

    def process_queries(self, text: Sequence[str]) -> dict[str, Any]:
        return self._inputs.texts([self._lead + words + "<|endoftext|>" * ADDED for words in text])


def load(folder: Path, base: Path | None, architecture: str, dtype: Any) -> tuple[Any, Any, Any]:
    """Model, processor, and what the library says of the weights that it found.

    With a `base`, `folder` holds an adapter and the processor, or leaves the latter to the base.
    """
    model_class, renamed, lead = CLASSES[architecture]
    model, report = weighed(model_class, base or folder, dtype, key_mapping=renamed)
    if base is not None:
        whole = merge(model, folder, renamed)
        report = report | {"missing_keys": [name for name in report["missing_keys"] if name not in whole]}
    has_own = any((folder / name).is_file() for name in ("processor_config.json", "preprocessor_config.json"))
    place = folder if has_own else base or folder
    # From their parts: chat templates, which are of no use here, have broken whole processors before.
    pictures = AutoImageProcessor.from_pretrained(place, backend="pil", **SAFE)
    tokenizer = AutoTokenizer.from_pretrained(place, **SAFE)
    if architecture == "ColIdefics3":
        vision = model.config.vision_config
        cells = (vision.image_size // vision.patch_size) ** 2 // model.config.scale_factor**2
        return model, TilePages(Idefics3Processor(pictures, tokenizer, image_seq_len=cells), lead), report
    return model, PatchPages(Inputs(pictures, tokenizer, f"{PAGE}<|endoftext|>"), lead), report


def _projection(config: Any) -> nn.Linear:
    dim = getattr(config, "embedding_dim", None) or getattr(config, "dim", None) or DIM
    return nn.Linear(config.text_config.hidden_size, dim)


def _embedded(projection: nn.Linear, found: Any) -> SimpleNamespace:
    """Unit vectors of all tokens, (inputs, tokens, dim)."""
    rows: torch.Tensor = projection(found.last_hidden_state)
    return SimpleNamespace(embeddings=nn.functional.normalize(rows, dim=-1))
