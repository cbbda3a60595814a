"""Text lines of a page picture by RapidOCR, with the models inside its wheel: nothing is ever downloaded.

The library is asked for detection and recognition only. Turned pages, reading order and units are handled here.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.embed.reading_order import reading_order
from pipeline.errors import Unreadable, UsageError
from pipeline.types import Box, TextLine

MODELS = {"Det.model_path": "PP-OCRv6_det_small.onnx", "Rec.model_path": "PP-OCRv6_rec_small.onnx"}
MIN_CONFIDENCE = 0.5
LONG_SIDE_PX = 2000  # larger pictures are scaled down: A4 at 170 dpi
DETECTION_PX = 1280  # long side for detection: a quarter of the time less than at 2000, same words found
TALL = 1.5  # height over width of a line that runs up or down the page
SURE = 0.9  # mean confidence of the longest lines above which nobody asks whether the page is upside down
SAMPLE = 8  # how many lines these are

Pixels = npt.NDArray[np.uint8]
Quads = npt.NDArray[np.float32]  # (lines, 4 corners, 2)


class Ocr:
    """Reads page pictures; the models load at the first `read` and stay. `threads` of compute, 0 means one a core."""

    def __init__(self, threads: int = 0) -> None:
        self._threads = threads or -1

    def read(self, path: Path, width_pt: float, height_pt: float) -> tuple[TextLine, ...]:
        """The lines on the picture in reading order, boxes in page points; () if there are none.

        A page that was scanned sideways or upside down is read turned, its boxes are those of the page as it is.
        Lines with a confidence below .5 are left out. Raises Unreadable if the picture cannot be decoded.
        """
        pixels, scale = _load(path)
        height_px, width_px = pixels.shape[0] / scale, pixels.shape[1] / scale
        crops, quads = self._detect(pixels)
        turns = 0
        if _is_sideways(quads):
            turns = 1
            crops, quads = self._detect(_turn(pixels, turns))
        texts, confidences = self._recognise(crops)
        if self._is_upside_down(crops, confidences):
            turns += 2
            crops, quads = self._detect(_turn(pixels, turns))
            texts, confidences = self._recognise(crops)
        _give_memory_back()
        order = reading_order([_around(quad) for quad in quads])
        to_page = np.array([width_pt / width_px, height_pt / height_px]) / scale
        corners = _turn_back(quads, turns, pixels.shape) * to_page
        limit = np.array([width_pt, height_pt])
        return tuple(
            TextLine(" ".join(texts[i].split()), _around(np.clip(corners[i], 0, limit)), round(confidences[i], 3))
            for i in order
            if confidences[i] >= MIN_CONFIDENCE and texts[i].strip()
        )

    def _detect(self, pixels: Pixels) -> tuple[list[Pixels], Quads]:
        """Pictures of the lines (tall ones turned by a quarter to the left) and their corners in pixels."""
        from rapidocr.main import RapidOCRError

        try:
            crops, found = self._engine.detect_and_crop(pixels, {})
        except RapidOCRError:  # how the library says that there is no text
            return [], np.zeros((0, 4, 2), np.float32)
        return list(crops), np.asarray(found.boxes, np.float32)

    def _recognise(self, crops: Sequence[Pixels]) -> tuple[list[str], list[float]]:
        if not crops:
            return [], []
        found = self._engine.recognize_txt(list(crops))
        return list(found.txts), [float(score) for score in found.scores]

    def _is_upside_down(self, crops: Sequence[Pixels], confidences: Sequence[float]) -> bool:
        """True if the longest lines read with clearly more confidence when they are turned by half."""
        longest = sorted(range(len(crops)), key=lambda i: -crops[i].shape[1] / crops[i].shape[0])[:SAMPLE]
        upright = [confidences[i] for i in longest]
        if not longest or np.mean(upright) >= SURE:
            return False
        turned = self._recognise([np.ascontiguousarray(crops[i][::-1, ::-1]) for i in longest])[1]
        return bool(np.mean(turned) > np.mean(upright) + 0.1)

    @cached_property
    def _engine(self) -> Any:
        paths = _model_paths()
        from rapidocr import RapidOCR

        return RapidOCR(
            params={
                **{setting: str(path) for setting, path in paths.items()},
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Global.use_vertical_padding": False,
                "Det.limit_type": "max",
                "Det.limit_side_len": DETECTION_PX,
                "EngineConfig.onnxruntime.intra_op_num_threads": self._threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )


def _model_paths() -> dict[str, Path]:
    """The model files inside the installed wheel; the library would fetch missing ones, so they must be there."""
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or not spec.submodule_search_locations:
        raise UsageError("OCR is missing; install it with: pip install rapidocr==3.10.0")
    folder = Path(spec.submodule_search_locations[0]) / "models"
    paths = {setting: folder / name for setting, name in MODELS.items()}
    for path in paths.values():
        if not path.is_file():
            raise UsageError(
                f"the OCR model {path} is missing; install it again: pip install --force-reinstall rapidocr==3.10.0"
            )
    return paths


def _give_memory_back() -> None:
    """Returns freed memory to the system: pages of many shapes leave glibc with .5 GB more than the models need."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _load(path: Path) -> tuple[Pixels, float]:
    """The picture as (height, width, 3) BGR with its long side bounded, and the scale from the file's pixels."""
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise Unreadable(f"{path.name}: the page picture cannot be decoded ({error})") from error
    scale = min(1.0, LONG_SIDE_PX / max(picture.size))
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BOX if scale < 0.5 else Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]), scale


def _is_sideways(quads: Quads) -> bool:
    """True if most of the text, by length of line, runs up or down."""
    if not len(quads):
        return False
    sizes = np.array([(x1 - x0, y1 - y0) for x0, y0, x1, y1 in map(_around, quads)])
    lengths = sizes.max(axis=1)
    return bool(lengths[sizes[:, 1] >= TALL * sizes[:, 0]].sum() > 0.5 * lengths.sum())


def _turn(pixels: Pixels, quarters: int) -> Pixels:
    return np.ascontiguousarray(np.rot90(pixels, quarters))


def _turn_back(quads: Quads, quarters: int, shape: tuple[int, ...]) -> Quads:
    """Corners in the picture of `shape` from those in the picture turned to the left by `quarters`."""
    height, width = shape[:2]
    x, y = quads[..., 0], quads[..., 1]
    back = ((x, y), (width - y, x), (width - x, height - y), (y, height - x))[quarters]
    return np.stack(back, axis=-1)


def _around(corners: npt.NDArray[np.floating[Any]]) -> Box:
    """The upright box around corners."""
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)
