"""Models whose classes are code of their own (Jina CLIP): runs only what the user pinned by model and code revision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.embed.catalog import Entry
from pipeline.types import Vectors


class RemoteTower:
    """A model with `encode_text` and `encode_image`, as Jina CLIP has them."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def texts(self, texts: Sequence[str], *, are_queries: bool) -> Vectors:
        task = {"task": "retrieval.query"} if are_queries else {}
        return self._plain(self._model.encode_text, list(texts), **task)

    def pictures(self, pictures: Sequence[Image.Image]) -> Vectors:
        return self._plain(self._model.encode_image, list(pictures))

    def _plain(self, encode: Any, items: list[Any], **more: Any) -> Vectors:
        import torch

        with torch.inference_mode():
            return np.asarray(encode(items, convert_to_numpy=True, **more), np.float32)


def load(folders: Sequence[Path], device: str, dtype: Any, entry: Entry, code_revision: str = "") -> RemoteTower:  # noqa: ARG001
    from transformers import AutoModel

    if not code_revision:
        raise ValueError("its code may not run")
    (folder,) = folders
    model = AutoModel.from_pretrained(
        folder, trust_remote_code=True, code_revision=code_revision, dtype=dtype, local_files_only=True
    )
    lacking = [name for name in ("encode_text", "encode_image") if not hasattr(model, name)]
    if lacking:
        raise ValueError(f"its class has no {lacking[0]}; docmill knows models of this kind by it")
    return RemoteTower(model.to(device).eval())
