"""Processors of models that take videos as well, without their video part: it alone needs torchvision."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import transformers
from transformers.processing_utils import ProcessorMixin


class NoVideo(ProcessorMixin):  # type: ignore[misc]
    """Between a processor's class and the base of all of them: nobody gets to see a video processor."""

    def __init__(self, *parts: Any, **more: Any) -> None:
        more.pop("video_processor", None)
        super().__init__(*parts, **more)


def without_video(processor_class: Any) -> Any:
    """The same processor for texts and pictures; it asks for no video processor."""

    class Silent(processor_class, NoVideo):  # type: ignore[misc]
        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in processor_class.get_attributes() if name != "video_processor"]

        @classmethod
        def get_processor_dict(cls, *parts: Any, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
            told, rest = super().get_processor_dict(*parts, **more)
            return told | {"video_processor": None}, rest

    Silent.__name__ = processor_class.__name__
    return Silent


class Quiet:
    """Stands for transformers' AutoProcessor: the same, but for processors with a video part."""

    @staticmethod
    def from_pretrained(folder: str, **options: Any) -> Any:
        processor_class = getattr(transformers, _named(Path(folder)), None)
        if processor_class is None or "video_processor" not in processor_class.get_attributes():
            return transformers.AutoProcessor.from_pretrained(folder, **options)
        # One way of scaling pictures, so that vectors do not depend on what else is installed.
        return without_video(processor_class).from_pretrained(folder, backend="pil", **options)


@contextmanager
def no_videos() -> Iterator[None]:
    """While sentence-transformers loads a model, its processor is one without a video part."""
    from sentence_transformers.base.modules import transformer

    module: Any = transformer
    kept, module.AutoProcessor = module.AutoProcessor, Quiet
    try:
        yield
    finally:
        module.AutoProcessor = kept


def _named(folder: Path) -> str:
    """The processor's class, from the files that may tell it, in the order in which the library asks them."""
    for name in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            told = json.loads((folder / name).read_bytes()).get("processor_class")
            if told:
                return str(told)
    return ""
