"""Late-interaction models that transformers has whole: ColPali, ColQwen2 and ColModernVBERT, by its own classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers

SAFE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


def load(folder: Path, base: Path | None, architecture: str, dtype: Any) -> tuple[Any, Any, Any]:  # noqa: ARG001
    """Model, processor, and what the library says of the weights that it found."""
    processor_class = getattr(transformers, architecture.removesuffix("ForRetrieval") + "Processor")
    # One way of scaling pictures, so that vectors do not depend on what else is installed.
    processor = processor_class.from_pretrained(folder, backend="pil", **SAFE)
    model, report = weighed(getattr(transformers, architecture), folder, dtype)
    return model, processor, report


def weighed(model_class: Any, folder: Path, dtype: Any, **more: Any) -> tuple[Any, Any]:
    """A model with the weights of a folder, and what the library says of them."""
    model, report = model_class.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **SAFE, **more
    )
    return model, report
