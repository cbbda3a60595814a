"""jina-embeddings-v4 without its own code: Qwen2.5-VL of transformers with the retrieval adapter in its weights.

A text is the mean of its tokens, a picture that of its patches and the two marks around them. The model's own code,
made for transformers 4, keeps three adapters beside each layer and chooses one for each call; search needs one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, Qwen2_5_VLConfig, Qwen2_5_VLModel

from pipeline.embed.catalog import Entry
from pipeline.embed.low_rank import merge
from pipeline.embed.qwen import NAMES, PAGE, Inputs
from pipeline.embed.towers import SAFE
from pipeline.types import Vectors

TASK = "retrieval"
MARKS = ("<|vision_start|>", "<|vision_end|>")


class Body(Qwen2_5_VLModel):  # type: ignore[misc]
    _keys_to_ignore_on_load_unexpected = (r"^lm_head\.", r"^multi_vector_projector\.")


class JinaV4Tower:
    def __init__(self, model: Any, inputs: Inputs, context: int) -> None:
        self._model, self._inputs, self._context = model, inputs, context
        self._start, self._end = inputs.tokenizer.convert_tokens_to_ids(list(MARKS))

    def texts(self, texts: Sequence[str], *, are_queries: bool) -> Vectors:  # noqa: ARG002
        batch = self._inputs.texts(texts, truncation=True, max_length=self._context)
        return self._mean(batch, batch["attention_mask"].bool())

    def pictures(self, pictures: Sequence[Image.Image]) -> Vectors:
        batch = self._inputs.pictures(pictures)
        ids = batch["input_ids"]
        looks = (ids == self._inputs.image_token_id) | (ids == self._start) | (ids == self._end)
        return self._mean(batch, looks)

    def _mean(self, batch: dict[str, Any], mask: torch.Tensor) -> Vectors:
        device, dtype = self._model.device, self._model.dtype
        inputs = {
            name: value.to(device, dtype if value.is_floating_point() else value.dtype) for name, value in batch.items()
        }
        with torch.inference_mode():
            states = self._model(**inputs, use_cache=False).last_hidden_state.float().cpu()
        counted = mask.unsqueeze(-1).float()
        vectors: Vectors = ((states * counted).sum(1) / counted.sum(1).clamp(min=1)).numpy()
        return vectors


def load(folders: Sequence[Path], device: str, dtype: Any, entry: Entry, code_revision: str = "") -> JinaV4Tower:  # noqa: ARG001
    (folder,) = folders
    # Its own configuration class is code; what it adds to that of Qwen2.5-VL is not used here.
    config = Qwen2_5_VLConfig.from_pretrained(folder, **SAFE)
    model, report = Body.from_pretrained(
        folder,
        config=config,
        dtype=dtype,
        use_safetensors=True,
        key_mapping=NAMES,
        output_loading_info=True,
        **SAFE,
    )
    absent = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if absent:
        raise ValueError(f"{len(absent)} weights are missing, such as {absent[0]}")
    merge(model, folder / "adapters", NAMES, task=TASK, unused=("multi_vector_projector",))
    pictures = AutoImageProcessor.from_pretrained(folder, backend="pil", **SAFE)
    inputs = Inputs(pictures, AutoTokenizer.from_pretrained(folder, **SAFE), f"{PAGE}\n")
    return JinaV4Tower(model.to(device).eval(), inputs, entry.context)
