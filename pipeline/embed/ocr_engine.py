"""The two networks of OCR: where lines are, and what they say. RapidOCR's models, its steps before and after them.

The networks run on OpenVINO where that is installed (in bfloat16 where the processor has it: two to three times as fast
and the same text but for a letter in some thousands), otherwise on ONNX Runtime. On OpenVINO the wheel's recogniser
computes in 8 bits where the processor multiplies bytes: half as fast again, two or three letters in a thousand differ.
Nothing here knows of pages or files.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.embed.eight_bit import in_eight_bits, load_ranges, multiplies_bytes
from pipeline.embed.ocr_models import OcrModels, digest
from pipeline.embed.openvino_core import Streams, core, has_openvino, openvino
from pipeline.errors import UsageError

RANGES = Path(__file__).parent / "ocr_ranges.npz"  # of the recogniser in the wheel
LINE_PX = 48  # height of a line as the recogniser takes it
SQUEEZE = 0.8  # of its width: time is in proportion to it, and letters are wider than the recogniser needs
MOST_WIDTH = 9600  # of a line at that height: some 480 letters; a longer line is squeezed
LEAST_WIDTH = 48  # narrower ones are padded
STEP = 64  # widths are multiples of it, so that few shapes are compiled
BATCH_WIDTH = 2400  # pixels of width in one pass: a few lines, whose layers stay in the cache
MOST_BATCH = 24
GRID = 32  # the detector's input is a multiple of it
INK = 0.3  # probability of text from which a pixel belongs to a line
MOST_LINES = 2000  # pieces of text on a picture
LEAST_PX = 3  # smaller pieces are specks, as the steps after the detector have it

Pixels = npt.NDArray[np.uint8]  # (height, width, 3) BGR
Quads = npt.NDArray[np.float32]  # (lines, 4 corners from the top left, clockwise, 2)
Pictures = npt.NDArray[np.float32]  # (n, 3, height, width), -1 to 1
Run = Callable[[Iterable[Pictures]], Iterator[tuple[npt.NDArray[Any], ...]]]  # outputs of each input, in order


@dataclass(frozen=True, slots=True)
class Words:
    """What a line says, and the mean probability of its characters."""

    text: str
    confidence: float


class OcrEngine:
    """Both networks, loaded. `threads` of compute, 0 means one a core; `openvino` says which runtime, None takes the
    faster one that is installed. Raises UsageError for a damaged model file."""

    def __init__(self, models: OcrModels, threads: int = 0, openvino: bool | None = None) -> None:
        from rapidocr.ch_ppocr_det.utils import DBPostProcess

        make = _openvino if (has_openvino() if openvino is None else openvino) else _onnxruntime
        self._detect = _loaded(make, models.detection, threads, decode=False)
        self._recognise = _loaded(make, models.recognition, threads, decode=True)
        self._characters = characters_of(models)
        self._boxes = DBPostProcess(
            thresh=INK, box_thresh=0.5, max_candidates=2 * MOST_LINES, unclip_ratio=1.6, use_dilation=True
        )

    def detect(self, pixels: Pixels, look_mpx: float) -> tuple[Quads, int]:
        """Corners of the lines, in pixels of the picture, from a look at it with so many megapixels at most.

        Of more than 2,000 pieces of what may be text the largest count; how many do not comes second.
        """
        import cv2

        height, width = pixels.shape[:2]
        scale = min(1.0, (look_mpx * 1e6 / (height * width)) ** 0.5)
        size = [max(GRID, round(side * scale / GRID) * GRID) for side in (width, height)]
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        ((found,),) = self._detect([_normal(small)[None]])
        heat, dropped = _largest_pieces(found[0, 0])
        quads, _ = self._boxes(heat[None, None], (height, width))
        return np.asarray(quads, np.float32).reshape(-1, 4, 2), dropped

    def recognise(self, lines: Sequence[Pixels]) -> list[Words]:
        """What each picture of a line says, in order."""
        groups: deque[list[int]] = deque()

        def batches() -> Iterator[Pictures]:
            for group, batch in side_by_side(lines):
                groups.append(group)
                yield batch

        words: dict[int, Words] = {}
        for best, probability in self._recognise(batches()):
            words |= {index: self._word(best[row], probability[row]) for row, index in enumerate(groups.popleft())}
        return [words[index] for index in range(len(lines))]

    def _word(self, best: npt.NDArray[np.int64], probability: npt.NDArray[np.float32]) -> Words:
        """CTC, greedily: repeated characters count once, 0 stands for none."""
        chosen = best != 0
        chosen[1:] &= best[1:] != best[:-1]
        if not chosen.any():
            return Words("", 0.0)
        return Words("".join(self._characters[i] for i in best[chosen]), float(probability[chosen].mean()))


def _largest_pieces(heat: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], int]:
    """The map of probabilities without specks and without all but the largest pieces; how many of these are gone."""
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats((heat > INK).astype(np.uint8))
    sizes = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
    sizes[np.minimum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]) < LEAST_PX] = 0
    sizes[0] = 0  # the background
    keep = np.zeros(len(sizes), bool)
    keep[np.argsort(-sizes, kind="stable")[:MOST_LINES]] = True
    keep &= sizes > 0
    return np.where(keep[labels], heat, np.float32(0)), int((sizes > 0).sum() - keep.sum())


def _batches(widths: Sequence[int]) -> Iterator[tuple[list[int], int]]:
    """Indices of lines of like width, widest first, and the width of their batch."""
    order = sorted(range(len(widths)), key=lambda index: -widths[index])
    while order:
        width = max(LEAST_WIDTH, -(-widths[order[0]] // STEP) * STEP)
        count = max(1, min(MOST_BATCH, BATCH_WIDTH // width))
        yield order[:count], width
        order = order[count:]


def side_by_side(lines: Sequence[Pixels]) -> Iterator[tuple[list[int], Pictures]]:
    """Batches of lines of like width as the recogniser takes them, and which of `lines` they hold.

    Each line is at the left of a picture of its own.
    """
    import cv2

    widths = [_width(line) for line in lines]
    for group, width in _batches(widths):
        batch = np.zeros((len(group), 3, LINE_PX, width), np.float32)
        for row, index in enumerate(group):
            batch[row, :, :, : widths[index]] = _normal(cv2.resize(lines[index], (widths[index], LINE_PX)))
        yield group, batch


def _width(line: Pixels) -> int:
    height, width = line.shape[:2]
    return min(MOST_WIDTH, max(8, math.ceil(SQUEEZE * LINE_PX * int(width) / int(height))))


def _normal(pixels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """(3, height, width), -1 to 1."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32) / np.float32(127.5) - np.float32(1)


def characters_of(models: OcrModels) -> list[str]:
    """What each output of the recogniser stands for: nothing, the characters, a space."""
    import onnxruntime

    if models.characters is not None:
        known = models.characters.read_text(encoding="utf-8").split("\n")
        known = known[:-1] if known[-1] == "" else known
    else:
        options = _quiet(1)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(str(models.recognition), options, providers=["CPUExecutionProvider"])
        known = session.get_modelmeta().custom_metadata_map.get("character", "").splitlines()
    if not known:
        name = models.recognition.name
        raise UsageError(f"ocr.models: {name} carries no list of characters; put its ..._dict.txt beside it")
    return ["", *known, " "]


def _loaded(make: Callable[[Path, int, bool], Run], path: Path, threads: int, *, decode: bool) -> Run:
    """The network as a function; with `decode` it gives the best class of each step and its probability."""
    try:
        return make(path, threads, decode)
    except Exception as error:
        message = " ".join(str(error).split())[:200]
        raise UsageError(f"the OCR model {path} cannot be loaded ({message}); put it there again") from error


def _openvino(path: Path, threads: int, decode: bool) -> Run:
    network = core().read_model(path)
    if decode:
        if multiplies_bytes():
            in_eight_bits(network, load_ranges(RANGES, digest(path)))
        network = _decoding(network)
    streams = Streams(network, threads, remember=False)
    return lambda pictures: streams((picture,) for picture in pictures)


def _decoding(network: Any) -> Any:
    """The recogniser with the best class of each step and its probability (lines, steps) at its end.

    The best of thousands of classes is looked for in two steps, by group and within the best one: OpenVINO's search
    through all of them takes a tenth of the whole network's time.
    """
    ops, last = openvino().opset13, network.get_results()[0].input_value(0)
    width = last.get_partial_shape()[2]
    size = width.get_length() // _groups(width.get_length()) if width.is_static else -1
    grouped = ops.reshape(last, _axes(0, 0, -1, size) if size > 0 else _axes(0, 0, 1, -1), True)
    group = ops.topk(ops.reduce_max(grouped, _axes(-1), False), np.int64(1), -1, "max", "none")
    within = ops.squeeze(ops.gather(grouped, group.output(1), np.int64(2), 2), _axes(2))
    inner = ops.topk(within, np.int64(1), -1, "max", "none")
    best = ops.add(ops.multiply(group.output(1), np.int32(size)), inner.output(1))
    outputs = [ops.squeeze(output, _axes(2)).output(0) for output in (best, group.output(0))]
    return openvino().Model(outputs, network.get_parameters())


def _groups(classes: int) -> int:
    """The divisor nearest the square root; 1 of a prime.

    >>> _groups(18710), _groups(97)
    (10, 1)
    """
    return next(number for number in range(math.isqrt(classes), 0, -1) if classes % number == 0)


def _axes(*numbers: int) -> npt.NDArray[np.int64]:
    return np.array(numbers, np.int64)


def _onnxruntime(path: Path, threads: int, decode: bool) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), _quiet(threads), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(batches: Iterable[Pictures]) -> Iterator[tuple[npt.NDArray[Any], ...]]:
        for batch in batches:
            (found,) = session.run(None, {name: batch})
            yield (found.argmax(axis=2), found.max(axis=2)) if decode else (found,)

    return run


def _quiet(threads: int) -> Any:
    """Options of a session that says nothing, keeps no memory that it does not need, and waits without spinning."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
