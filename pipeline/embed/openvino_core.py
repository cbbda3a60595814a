"""OpenVINO where it is installed (the extra `fast`): networks compiled for this processor. Importing sends nothing."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from typing import Any


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


def compiled(model: Any, threads: int = 0, *, streams: int = 1, precise: bool = False) -> Any:
    """`model` (an `openvino.Model`) compiled for the processor, in bfloat16 where it has that, `precise` in float32.

    `threads` of compute, 0 means one a core; `streams` requests run beside one another and share them out.
    """
    hints = {
        "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # cores are shared with the parse workers, and with other networks
        "INFERENCE_PRECISION_HINT": "bf16" if has_bf16() and not precise else "f32",
    }
    return core().compile_model(model, "CPU", hints)
