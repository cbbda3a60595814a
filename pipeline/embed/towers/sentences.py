"""Any model of sentence-transformers: text embedders, and those that take pictures as well."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.embed.catalog import Entry
from pipeline.embed.towers.video import no_videos
from pipeline.types import Vectors


class SentenceTower:
    def __init__(self, model: Any, has_prompts: bool, one_picture: bool) -> None:
        """`has_prompts`: they stand in the texts already, so that the model's own are not added. `one_picture`: its
        processor takes several pictures for those of one input, so they go in one at a time."""
        self._model, self._has_prompts, self._one_picture = model, has_prompts, one_picture

    def texts(self, texts: Sequence[str], *, are_queries: bool) -> Vectors:
        if self._has_prompts:
            return self._encode(self._model.encode, list(texts), prompt="")
        return self._encode(self._model.encode_query if are_queries else self._model.encode_document, list(texts))

    def pictures(self, pictures: Sequence[Image.Image]) -> Vectors:
        return self._encode(self._model.encode_document, list(pictures), batch=1 if self._one_picture else 0)

    def _encode(self, encode: Any, items: list[Any], batch: int = 0, **more: Any) -> Vectors:
        found = encode(items, batch_size=batch or len(items), show_progress_bar=False, convert_to_numpy=True, **more)
        return np.asarray(found, np.float32)


def load(folders: Sequence[Path], device: str, dtype: Any, entry: Entry, code_revision: str = "") -> SentenceTower:
    from sentence_transformers import SentenceTransformer

    (folder,) = folders
    more: dict[str, Any] = {"dtype": dtype, "use_safetensors": True}
    more |= {name: value for name, _, value in (told.partition("=") for told in entry.arguments)}
    config = {"code_revision": code_revision} if code_revision else {}
    with no_videos():
        model = SentenceTransformer(
            str(folder),
            device=device,
            local_files_only=True,
            trust_remote_code=bool(code_revision),
            model_kwargs=more | config,
            config_kwargs=config,
        )
    model.eval()
    modalities = set(getattr(model, "modalities", ["text"]))
    takes_pictures = "image" in modalities
    if "image" in entry.legs and not takes_pictures:
        architecture = json.loads((folder / "config.json").read_bytes()).get("architectures", ["model"])[0]
        raise ValueError(f"sentence-transformers finds no way for pictures into this {architecture}")
    has_prompts = entry.query is not None or entry.passage is not None
    return SentenceTower(model, has_prompts, one_picture="message" not in modalities)
