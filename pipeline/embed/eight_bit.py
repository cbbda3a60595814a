"""Products of a network in 8 bits, where the processor multiplies bytes and the inputs of the products were measured.

Weights are rounded by output channel; inputs to one range, after what differs between their channels was moved into the
weights (SmoothQuant, Xiao et al., 2023). OpenVINO computes such products with integers; all else stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.embed.openvino_core import Arrays, compiled, openvino

SHARE = 0.85  # of the differences between channels that the weights take over; the inputs keep the rest
LEVELS, LARGEST = 256, 127  # of an input, of a weight
MODEL = "model"  # in a file of ranges: what they were measured with
LEAST = 1e-3  # of a channel that was never seen to differ from zero

Array = npt.NDArray[np.float32]
Ranges = Mapping[str, npt.NDArray[np.floating[Any]]]  # product's name: (2, channels), lowest and highest input


@cache
def multiplies_bytes() -> bool:
    """Whether the processor has instructions for it (AVX-512 VNNI), by NumPy; without them 8 bits may overflow."""
    return "AVX512_ICL" in np.show_config(mode="dicts")["SIMD Extensions"]["found"]


def load_ranges(path: Path, model: str) -> Ranges:
    """The ranges in a file; none if they were measured with another model than the one so called."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files if name != MODEL} if str(file[MODEL]) == model else {}


def save_ranges(path: Path, model: str, ranges: Ranges) -> None:
    np.savez_compressed(path, **{MODEL: np.array(model)}, **ranges)  # type: ignore[arg-type]


def in_eight_bits(network: Any, ranges: Ranges) -> int:
    """Changes the products of `network` (an `openvino.Model`) that `ranges` names; says how many these were.

    A product keeps its name; what is added to it takes its place before those that read it.
    """
    products = [node for node in _products(network) if node.get_friendly_name() in ranges]
    for node in products:
        _round(node, np.asarray(ranges[node.get_friendly_name()], np.float32))
    return len(products)


def measured(network: Any, inputs: Iterable[Arrays]) -> dict[str, npt.NDArray[np.float16]]:
    """The ranges of all products of `network` with constant weights, over `inputs`, rounded outwards a little."""
    nodes = list(_products(network))
    watched = openvino().Model([node.input_value(0) for node in nodes], network.get_parameters())
    request = compiled(watched, precise=True).create_infer_request()
    found: dict[str, Array] = {}
    for arrays in inputs:
        request.infer(list(arrays))
        for node, tensor in zip(nodes, request.output_tensors, strict=True):
            seen = _extremes(np.asarray(tensor.data), 1 if _is_convolution(node) else -1)
            before = found.setdefault(node.get_friendly_name(), seen)
            found[node.get_friendly_name()] = np.stack([np.minimum(before[0], seen[0]), np.maximum(before[1], seen[1])])
    return {name: extremes.astype(np.float16) for name, extremes in found.items()}


def _products(network: Any) -> Iterator[Any]:
    """Convolutions over more than one place, and products with constant matrices."""
    for node in network.get_ordered_ops():
        if _is_convolution(node):
            if any(side.is_dynamic or side.get_length() > 1 for side in list(node.input(0).get_partial_shape())[2:]):
                yield node
        elif node.get_type_name() == "MatMul" and node.input_value(1).get_node().get_type_name() == "Constant":
            yield node


def _round(node: Any, extremes: Array) -> None:
    """Rounds weights and input of a product."""
    kept = np.asarray(node.input_value(1).get_node().data, np.float32)
    turned = not _is_convolution(node) and not node.get_attributes()["transpose_b"]
    weights = kept.T if turned else kept  # (outputs, channels, ...)
    if not _is_convolution(node):  # what a convolution sees beyond the edges is zero, and has to stay it
        extremes = _centred(node, weights, extremes)
    scale = _scale(weights, extremes)
    rounded, step = _in_bytes(weights * scale.reshape(-1, *[1] * (weights.ndim - 2)))
    ops = openvino().opset13
    byte = ops.convert(ops.constant(np.ascontiguousarray(rounded.T if turned else rounded)), np.float32)
    node.input(1).replace_source_output(ops.multiply(byte, _constant(step.T if turned else step)).output(0))
    node.input(0).replace_source_output(_levels(node, scale, extremes / scale).output(0))


def _centred(node: Any, weights: Array, extremes: Array) -> Array:
    """Takes the middle of its range off each channel, and what that does to the product back on; the ranges left."""
    ops, middle = openvino().opset13, np.asarray(extremes.mean(axis=0), np.float32)
    readers = list(node.output(0).get_target_inputs())
    node.input(0).replace_source_output(ops.subtract(node.input_value(0), _constant(middle)).output(0))
    whole = ops.add(node.output(0), _constant(weights @ middle))
    for reader in readers:
        reader.replace_source_output(whole.output(0))
    return np.asarray(extremes - middle, np.float32)


def _scale(weights: Array, extremes: Array) -> Array:
    """What each channel is divided by, (channels,)."""
    inputs = np.maximum(np.abs(extremes).max(axis=0), LEAST)
    largest = np.abs(weights).max(axis=(0, *range(2, weights.ndim)))
    return np.asarray(inputs**SHARE / np.maximum(largest, LEAST) ** (1 - SHARE), np.float32)


def _in_bytes(weights: Array) -> tuple[npt.NDArray[np.int8], Array]:
    """The weights, and the step between two of them by output."""
    step = np.abs(weights).max(axis=tuple(range(1, weights.ndim)), keepdims=True) / LARGEST
    step = np.maximum(step, np.finfo(np.float32).tiny)
    return np.round(weights / step).astype(np.int8), np.asarray(step, np.float32)


def _levels(node: Any, scale: Array, extremes: Array) -> Any:
    """The input of a product, scaled and rounded to levels between the lowest and the highest of all channels."""
    ops, rank = openvino().opset13, len(node.input(0).get_partial_shape())
    low, high = min(float(extremes.min()), 0.0), max(float(extremes.max()), LEAST)
    ends = _constant(low), _constant(high)
    if _is_convolution(node):  # scales and rounds in one step
        scale = scale.reshape(1, -1, *[1] * (rank - 2))
        return ops.fake_quantize(node.input_value(0), _constant(low * scale), _constant(high * scale), *ends, LEVELS)
    scaled = ops.multiply(node.input_value(0), _constant(1 / scale))
    return ops.fake_quantize(scaled, *ends, *ends, LEVELS - 1)  # an odd number: the middle is one of them


def _extremes(values: npt.NDArray[Any], channels: int) -> Array:
    others = tuple(axis for axis in range(values.ndim) if axis != channels % values.ndim)
    return np.stack([values.min(axis=others), values.max(axis=others)]).astype(np.float32)


def _is_convolution(node: Any) -> bool:
    return bool(node.get_type_name() == "Convolution")


def _constant(value: Any) -> Any:
    return openvino().opset13.constant(np.asarray(value, np.float32))
