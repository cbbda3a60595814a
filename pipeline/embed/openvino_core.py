"""OpenVINO where it is installed (the extra `fast`): networks compiled for this processor. Importing sends nothing."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = tuple[npt.NDArray[Any], ...]


def has_openvino() -> bool:
    return importlib.util.find_spec("openvino") is not None


@cache
def openvino() -> Any:
    """The package with its `opset13`, and without its telemetry, which is barred before anything of it is imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino as package
    import openvino.opset13

    return package


@cache
def core() -> Any:
    return openvino().Core()


def has_bf16() -> bool:
    """Whether the processor computes in bfloat16."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def compiled(model: Any, threads: int = 0, *, streams: int = 1, precise: bool = False, remember: bool = True) -> Any:
    """`model` (an `openvino.Model`) compiled for the processor, in bfloat16 where it has that, `precise` in float32.

    `threads` of compute, 0 means one a core; `streams` requests run beside one another and share them out. What was
    made for an input's shape is kept for the next of that shape, unless it is not to `remember`: where shapes are many
    and layers wide, memory grows with them.
    """
    hints = {
        "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # cores are shared with the parse workers, and with other networks
        "INFERENCE_PRECISION_HINT": "bf16" if has_bf16() and not precise else "f32",
    }
    if not remember:
        hints["CPU_RUNTIME_CACHE_CAPACITY"] = 0
    return core().compile_model(model, "CPU", hints)


class Streams:
    """A network that takes several inputs at a time, each on one thread: no thread waits for another within a layer.

    `threads` is how many, 0 means one a core.
    """

    def __init__(self, model: Any, threads: int = 0, *, precise: bool = False, remember: bool = True) -> None:
        self._count = threads or os.cpu_count() or 1
        self._compiled = compiled(model, self._count, streams=self._count, precise=precise, remember=remember)

    def __call__(self, inputs: Iterable[Arrays]) -> Iterator[Arrays]:
        """The outputs of each of `inputs`, in order. More inputs are taken while earlier ones are computed."""
        free = [self._compiled.create_infer_request() for _ in range(self._count)]
        running: deque[tuple[Any, Arrays]] = deque()  # inputs live as long as their request runs
        try:
            for arrays in inputs:
                if not free:
                    yield _ended(running, free)
                request = free.pop()
                request.start_async(dict(enumerate(arrays)), share_inputs=True)
                running.append((request, arrays))
            while running:
                yield _ended(running, free)
        finally:
            for request, _ in running:
                request.wait()


def _ended(running: deque[tuple[Any, Arrays]], free: list[Any]) -> Arrays:
    request, _ = running.popleft()
    request.wait()
    free.append(request)
    return tuple(np.array(tensor.data) for tensor in request.output_tensors)
