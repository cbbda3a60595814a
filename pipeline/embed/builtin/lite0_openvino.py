"""EfficientNet-lite0 on OpenVINO, built from the weights of `lite0`: all that is done with a picture as one graph.

In float32: with bfloat16 picture vectors differ too much (cosine .9994 in the mean, .996 at worst), and no choice of
layers that stay in float32 changes that and saves time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from queue import SimpleQueue
from typing import Any

import numpy as np

from pipeline.embed.builtin.lite0 import STARTS, TEMPERATURE, WINDOW, Probabilities, lite0
from pipeline.embed.builtin.views import INPUT_PX, Views
from pipeline.embed.openvino_core import compiled, openvino


@cache
def loaded(threads: int, streams: int) -> Callable[[Views], Probabilities]:
    """`lite0.classify` for `streams` threads at a time, which share out `threads` of compute, 0 means one a core."""
    model = compiled(graph(lite0()), threads, streams=streams, precise=True)
    free: SimpleQueue[Any] = SimpleQueue()
    for _ in range(streams):
        free.put(model.create_infer_request())

    def classify(views: Views) -> Probabilities:
        request = free.get()
        try:
            found = request.infer([np.stack([views.centre, views.whole]), views.large[None]], share_inputs=True)
            return np.array(found[0][0])
        finally:
            free.put(request)

    return classify


def graph(network: Any) -> Any:
    """An `openvino.Model` from (2, 224, 224, 3) and (1, 448, 448, 3) uint8 to (1, 1000) probabilities."""
    return _Graph(network).model()


class _Graph:
    def __init__(self, network: Any) -> None:
        self._network, self._ops = network, openvino().opset13

    def model(self) -> Any:
        ops = self._ops
        views = ops.parameter([2, INPUT_PX, INPUT_PX, 3], np.uint8)
        large = ops.parameter([1, 2 * INPUT_PX, 2 * INPUT_PX, 3], np.uint8)
        small = self._mean(self._probable(ops.reduce_mean(self._features(views), self._axes(2, 3), False)))
        windows = self._probable(self._windows(self._features(large)))
        surest = ops.reduce_max(windows, self._axes(0), True)
        mixed = ops.divide(ops.add(ops.add(small, self._mean(windows)), surest), np.float32(3))
        return openvino().Model([mixed], [views, large], "lite0")

    def _features(self, views: Any) -> Any:
        """(n, 1280, side / 32, side / 32) of views (n, side, side, 3)."""
        ops, network = self._ops, self._network
        scaled = ops.divide(ops.subtract(ops.convert(views, "f32"), np.float32(127)), np.float32(128))
        found = self._active(ops.transpose(scaled, self._axes(0, 3, 1, 2)), network._conv_stem)
        for block in network._blocks:
            found = self._block(found, block)
        return self._active(found, network._conv_head)

    def _block(self, values: Any, block: Any) -> Any:
        inner = self._active(values, block._expand_conv) if hasattr(block, "_expand_conv") else values
        made = self._conv(self._active(inner, block._depthwise_conv), block._project_conv)
        same = block._depthwise_conv.stride == (1, 1) and made.shape == values.shape
        return self._ops.add(made, values) if block.id_skip and same else made

    def _active(self, values: Any, conv: Any) -> Any:
        return self._ops.clamp(self._conv(values, conv), 0.0, 6.0)

    def _conv(self, values: Any, conv: Any) -> Any:
        ops, weight = self._ops, conv.weight.numpy()
        top, left, bottom, right = _padding(conv)
        places = (list(conv.stride), [top, left], [bottom, right], list(conv.dilation))
        if conv.groups == 1:
            made = ops.convolution(values, np.ascontiguousarray(weight), *places)
        else:
            grouped = weight.reshape(conv.groups, -1, *weight.shape[1:])
            made = ops.group_convolution(values, np.ascontiguousarray(grouped), *places)
        return ops.add(made, conv.bias.numpy().reshape(1, -1, 1, 1))

    def _windows(self, maps: Any) -> Any:
        """(10, channels) of (1, channels, 14, 14): each window is a row of weights on the places of the map."""
        channels, height, width = list(maps.shape)[1:]
        flat = self._ops.reshape(maps, np.array([channels, height * width]), False)
        return self._ops.matmul(_window_weights(height, width), flat, False, True)

    def _probable(self, features: Any) -> Any:
        ops, last = self._ops, self._network._fc
        scores = ops.add(ops.matmul(features, last.weight.numpy(), False, True), last.bias.numpy()[None])
        return ops.softmax(ops.divide(scores, np.float32(TEMPERATURE)), -1)

    def _mean(self, rows: Any) -> Any:
        return self._ops.reduce_mean(rows, self._axes(0), True)

    def _axes(self, *axes: int) -> Any:
        return self._ops.constant(np.array(axes, np.int64))


def _padding(conv: Any) -> tuple[int, int, int, int]:
    """Top, left, bottom, right."""
    apart = getattr(conv.static_padding, "padding", None)  # where the sides differ, as the package has it
    if apart is not None:
        left, right, top, bottom = apart
        return top, left, bottom, right
    return (*conv.padding, *conv.padding)


def _window_weights(height: int, width: int) -> Any:
    rows = np.zeros((len(STARTS) ** 2 + 1, height, width), np.float32)
    for row, (y, x) in zip(rows, ((y, x) for y in STARTS for x in STARTS), strict=False):
        row[y : y + WINDOW, x : x + WINDOW] = 1 / WINDOW**2
    rows[-1] = 1 / (height * width)
    return rows.reshape(len(rows), -1)
