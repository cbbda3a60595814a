"""Where a model runs, how precisely, and how many items fit into one pass: found by trial, with back-off."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pipeline.embed.choices import Choices
from pipeline.errors import UsageError

# What a driver of a GPU makes on Linux: without any of them torch, which takes seconds to import, need not be asked.
DRIVERS = tuple(Path("/dev") / name for name in ("nvidiactl", "nvidia0", "kfd", "dxg"))
START, MOST = {"cpu": 8, "mps": 8, "cuda": 32}, {"cpu": 16, "mps": 64, "cuda": 512}
Item = TypeVar("Item")
Made = TypeVar("Made")


def device_of(choices: Choices) -> str:
    """ "cpu", "cuda" or "mps". Raises UsageError for one that is not there."""
    if choices.device == "cpu" or (choices.device == "auto" and not _may_have_gpu()):
        return "cpu"
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if choices.device == "auto":
        return next((name for name, is_there in there.items() if is_there), "cpu")
    if not there[choices.device]:
        raise UsageError(f'model.device is "{choices.device}", but torch finds none; set it to "auto" or "cpu"')
    return choices.device


def dtype_of(name: str, choices: Choices) -> str:
    """What model `name` computes in: as chosen, as the table was made, or half on a GPU and float32 on a CPU."""
    if choices.precision != "auto":
        return choices.precision
    if name in choices.dtypes:
        return choices.dtypes[name]
    device = device_of(choices)
    if device == "cuda":
        import torch

        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    return "bfloat16" if device == "mps" else "float32"


def _may_have_gpu() -> bool:
    return sys.platform != "linux" or any(path.exists() for path in DRIVERS)


class Passes:
    """Runs items through a model in passes: halves them when memory runs out, and grows them while it lasts."""

    def __init__(self, device: str, batch: int = 0) -> None:
        """`batch` items in one pass, 0 starts small and finds it."""
        self._size, self._most = batch or START[device], batch or MOST[device]

    def run(self, items: Sequence[Item], embed: Callable[[Sequence[Item]], Made], name: str) -> list[Made]:
        """What `embed` gives, a pass each, in order. Raises UsageError if a single item is too much for the memory."""
        made: list[Made] = []
        first = 0
        while first < len(items):
            group = items[first : first + self._size]
            try:
                made.append(embed(group))
            except (MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                self._shrink(len(group), name, error)
                continue
            first += len(group)
            self._size = min(2 * self._size, self._most) if len(group) == self._size else self._size
        return made

    def _shrink(self, tried: int, name: str, error: Exception) -> None:
        _give_back()
        if tried == 1:
            raise UsageError(
                f"{name}: not even one item at a time fits into memory; choose a smaller model, `model.device` cpu, or "
                "`model.precision` bfloat16"
            ) from error
        self._size = self._most = max(1, tried // 2)


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower() or "can't allocate" in str(error)


def _give_back() -> None:
    import torch

    cuda: Any = torch.cuda
    if cuda.is_available():
        cuda.empty_cache()
