"""Loaded hub models behind one small protocol; one module a way of loading. Weights load here and nowhere else."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from pipeline.embed import hub
from pipeline.embed.spec import Spec
from pipeline.errors import UsageError
from pipeline.types import Vectors

LOADERS = {  # a loader of the catalog -> (folders, device, dtype, entry) -> Tower
    "clip": "pipeline.embed.towers.clip:load",
    "nomic": "pipeline.embed.towers.nomic:load",
    "sentence-transformers": "pipeline.embed.towers.sentences:load",
    "jina-v4": "pipeline.embed.towers.jina_v4:load",
    "remote": "pipeline.embed.towers.remote:load",
}
SAFE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
CODE = ("*.py",)  # files fetched beside the usual ones where code of a model may run


class Tower(Protocol):
    """Raw vectors, (n, dim) in any float type, in order; prompts stand in the texts already."""

    def texts(self, texts: Sequence[str], *, are_queries: bool) -> Vectors: ...

    def pictures(self, pictures: Sequence[Image.Image]) -> Vectors: ...


@cache
def tower(spec: Spec, device: str, dtype: str, threads: int, setting: str, code_revision: str = "") -> Tower:
    """The process's model of a spec. Raises UsageError if files are missing, damaged or not all there, or a library is.

    With a `code_revision` the model's own code runs: call `may_run` before.
    """
    import torch
    import transformers
    from safetensors import SafetensorError

    if threads:
        torch.set_num_threads(threads)
    transformers.utils.logging.disable_progress_bar()
    folders = files(spec, setting)
    module, _, function = LOADERS[spec.entry.loader].partition(":")
    load = getattr(importlib.import_module(module), function)
    try:
        made: Tower = load(folders, device, getattr(torch, dtype), spec.entry, code_revision)
    except ImportError as error:
        raise UsageError(f"{spec.name}: {first_line(error)} (install what it needs beside torch)") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        raise UsageError(f"{spec.name}: the model in {folders[0]} cannot be loaded ({first_line(error)})") from error
    return made


def files(spec: Spec, setting: str) -> tuple[Path, ...]:
    """The folders of the model's files, fetched where they are not here."""
    more = CODE if spec.entry.loader == "remote" or "remote_code" in spec.entry.needs else ()
    return tuple(hub.files_of(place, setting, more) for place in spec.places)


def loaded(model_class: Any, folder: Path, dtype: Any) -> Any:
    """A model of a transformers class, in evaluation mode; raises ValueError rather than make weights up."""
    model, report = model_class.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **SAFE
    )
    absent = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if absent:
        raise ValueError(f"{len(absent)} weights are missing, such as {absent[0]}")
    return model.eval()


def first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".")[:300] if lines else type(error).__name__
