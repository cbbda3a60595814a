"""Weights in a file of torch's first format, read as data: without torch, and nothing that a pickle asks for is run.

To import torch takes a second of processor time and 200 MB. The format: a magic number, a version and facts of the
machine; then a dict of tensors, each a place in a storage; then the storages' names in order; then, in that order, a
count and the values of each.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Storage:
    name: str
    dtype: Any


@dataclass(frozen=True, slots=True)
class _Tensor:
    """Where a tensor's values lie: from `offset` on, `steps` apart along each axis, all counted in values."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    steps: tuple[int, ...]


def read_weights(path: Path) -> dict[str, Array]:
    """The arrays of a file by their names. Raises ValueError for a file that is something else or is damaged."""
    try:
        with path.open("rb") as file:
            if [_Unpickler(file).load() for _ in range(2)] != [MAGIC, VERSION]:
                raise ValueError("it is not in torch's first format")
            _Unpickler(file).load()  # of the machine that wrote it
            tensors: dict[str, _Tensor] = _Unpickler(file).load()
            dtypes = {tensor.storage.name: tensor.storage.dtype for tensor in tensors.values()}
            storages = {name: _values(file, dtypes[name]) for name in _Unpickler(file).load()}
        return {name: _array(tensor, storages[tensor.storage.name]) for name, tensor in tensors.items()}
    except (pickle.UnpicklingError, EOFError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name}: the weights cannot be read ({error})") from error


class _Unpickler(pickle.Unpickler):
    """Makes plain values, tensors and storages; anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            "collections.OrderedDict": OrderedDict,
            "torch.FloatStorage": np.dtype("<f4"),
            "torch.LongStorage": np.dtype("<i8"),
            "torch._utils._rebuild_tensor_v2": _tensor,
        }
        if f"{module}.{name}" not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is no weight")
        return known[f"{module}.{name}"]

    def persistent_load(self, saved: Any) -> _Storage:
        _, dtype, name, *_ = saved
        return _Storage(name, dtype)


def _tensor(storage: _Storage, offset: int, shape: tuple[int, ...], steps: tuple[int, ...], *_: Any) -> _Tensor:
    return _Tensor(storage, offset, shape, steps)


def _values(file: BinaryIO, dtype: np.dtype[Any]) -> Array:
    count = int.from_bytes(file.read(8), "little")
    return np.frombuffer(file.read(count * dtype.itemsize), dtype, count)


def _array(tensor: _Tensor, values: Array) -> Array:
    last = tensor.offset + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.steps, strict=True))
    if not 0 <= tensor.offset <= last < len(values) or min(tensor.steps, default=0) < 0:
        raise ValueError("a tensor lies outside of its storage")
    steps = [step * values.itemsize for step in tensor.steps]
    return np.array(np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, steps), order="C")
