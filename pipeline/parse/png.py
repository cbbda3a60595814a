"""PNG without row filters (RFC 2083) for rendered pages: filters take twice the time, and more bytes on flat colour."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR = 0, 2
LEVEL = 1


def write(pixels: npt.NDArray[np.uint8], path: Path) -> None:
    """Pixels (height, width) in grey or (height, width, 3) in colour, 8 bits each."""
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + pixels[0].size), np.uint8)  # the first byte of a row says: no filter
    rows[:, 1:] = pixels.reshape(height, -1)
    kind = GREY if pixels.ndim == 2 else COLOUR
    with path.open("wb") as file:
        file.write(SIGNATURE)
        file.write(_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)))
        file.write(_chunk(b"IDAT", zlib.compress(rows.data, LEVEL)))
        file.write(_chunk(b"IEND", b""))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
