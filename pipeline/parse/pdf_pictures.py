"""Pictures and page images of a PDF: rendered from the page, so that no embedded bytes are ever passed on.

A picture is what the page shows in its box: masks, colour spaces and strips are MuPDF's business. Pixel counts are
checked before anything is decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.config import Limits
from pipeline.errors import LimitExceeded
from pipeline.parse import png
from pipeline.parse.pdf_library import pymupdf
from pipeline.parse.pdf_page import Content, Placed
from pipeline.parse.pdf_signals import clip
from pipeline.types import Box, PageImage, Part, Picture

LONGEST_PX = 2048
LONGEST_PAGE_PX = 3500
SMALLEST_PX = 48
SMALLEST_PT = 24.0
THINNEST = 12.0  # long side over short side of a hairline
COVERS = 0.65  # share of the page above which the page picture carries it
FIGURE_DPI = 150.0
MOST_STACKED = 300
CONTEXT_CHARS = 300
NEAR_PT = 40.0
JPEG_QUALITY = 88

Key = tuple[int, int, int, int]
Show = Callable[[], pymupdf.DisplayList]  # makes the page's display list when it is first asked


@dataclass(frozen=True, slots=True)
class Listed:
    """Pixel sizes of pictures that many of the first pages refer to (logos), and the numbers of pages that name any."""

    repeated: frozenset[tuple[int, int]]
    pictured: frozenset[int]


@dataclass(slots=True)
class PictureTaker:
    """Writes the pictures of one document below `work_dir`, each once, at most `limits.pictures`."""

    work_dir: Path
    limits: Limits
    logos: frozenset[tuple[int, int]] = frozenset()  # pixel sizes of pictures that stand on many pages
    left_out: int = 0
    _written: int = 0
    _seen: dict[Key, list[int]] = field(default_factory=dict)

    def take(self, show: Show, content: Content, figures: Sequence[Box], parts: Sequence[Part]) -> list[Picture]:
        """The page's pictures and figures, from the top of the page; captions and context from `parts`."""
        wanted = self._wanted(content)
        told = [part.bbox for part in parts if part.kind == "table" and part.bbox]
        wanted += [
            (box, None)
            for box in figures
            if not any(_touch(box, other) for other, _ in wanted)
            and not any(_shared(box, table) > 0.4 * _area(box) for table in told)
        ]
        taken = []
        for box, placed in sorted(wanted, key=lambda item: (item[0][1], item[0][0])):
            if (picture := self._take(show, box, placed, parts)) is not None:
                taken.append(picture)
        return taken

    def _wanted(self, content: Content) -> list[tuple[Box, Placed | None]]:
        fit = [placed for placed in content.placed if placed.mpx <= self.limits.picture_mpx]
        boxes = []
        for box, group in _joined([(clip(placed.bbox, content), placed) for placed in fit if not placed.stencil]):
            if len(group) == 1 and not self._is_worth(group[0]):
                continue
            wide, high = box[2] - box[0], box[3] - box[1]
            if min(wide, high) < SMALLEST_PT or max(wide, high) > THINNEST * min(wide, high):
                continue
            if wide * high < COVERS * content.area:
                boxes.append((box, group[0] if len(group) == 1 else None))
        return boxes

    def _is_worth(self, placed: Placed) -> bool:
        if min(placed.width_px, placed.height_px) < SMALLEST_PX or placed.bits == 1:
            return False
        return (placed.width_px, placed.height_px) not in self.logos

    def _take(self, show: Show, box: Box, placed: Placed | None, parts: Sequence[Part]) -> Picture | None:
        wide, high = box[2] - box[0], box[3] - box[1]
        native = placed.width_px / wide if placed else FIGURE_DPI / 72
        scale = min(max(native, 1.0), LONGEST_PX / max(wide, high))
        if self._written >= self.limits.pictures:
            self.left_out += 1
            return None
        pixels = show().get_pixmap(matrix=pymupdf.Matrix(scale, scale), clip=pymupdf.Rect(box), alpha=False)
        if min(pixels.width, pixels.height) < SMALLEST_PX or _is_plain(pixels) or self._is_known(placed, pixels):
            return None
        path = self.work_dir / f"picture-{self._written:05d}{'.jpg' if placed else '.png'}"
        _save(pixels, path)
        self._written += 1
        return Picture(path, pixels.width, pixels.height, box, caption_of(box, parts), context_of(box, parts))

    def _is_known(self, placed: Placed | None, pixels: pymupdf.Pixmap) -> bool:
        if placed is None:
            return False
        small = pymupdf.Pixmap(pymupdf.Pixmap(pymupdf.csGRAY, pixels), 8, 8)
        values = small.samples
        mean = sum(values) / len(values)
        print_ = sum((value > mean) << index for index, value in enumerate(values))
        known = self._seen.setdefault(placed.key, [])
        if any((print_ ^ other).bit_count() <= 4 for other in known):
            return True
        known.append(print_)
        return False


def too_large(content: Content, limits: Limits) -> str:
    """What is wrong with a picture of the page that may not be decoded; empty if there is none."""
    for placed in content.placed:
        if placed.mpx > limits.picture_mpx:
            size = f"{placed.width_px} x {placed.height_px} px"
            return f"a picture of {size} is over limits.picture_mpx ({limits.picture_mpx:g} megapixels)"
    return ""


def page_image(show: Show, content: Content, dpi: int, limits: Limits, path: Path) -> PageImage:
    """The page as PNG (or JPEG where that is smaller by nature: pages with pictures).

    Raises `LimitExceeded` if the page holds a picture over `limits.picture_mpx`, before it is decoded. A page that
    would be larger than that, or than 3,500 px, is rendered at a lower resolution.
    """
    if problem := too_large(content, limits):
        raise LimitExceeded(f"{problem}; the page was not rendered")
    most = min(1.0, LONGEST_PAGE_PX / (max(content.width, content.height) * dpi / 72))
    scale = min(dpi / 72 * most, (limits.picture_mpx * 1e6 / content.area) ** 0.5)
    pixels = show().get_pixmap(matrix=pymupdf.Matrix(scale, scale), alpha=False)
    path = path.with_suffix(".jpg" if content.placed else ".png")
    _save(pixels, path)
    return PageImage(path, pixels.width, pixels.height, content.width, content.height)


def find_listed(doc: pymupdf.Document, pages: int = 200) -> Listed:
    """What the resources of the first pages say; contents are not interpreted.

    Pages that share one resource dictionary count once, because it lists pictures a page does not show.
    """
    looked = min(pages, doc.page_count)
    pictured = set()
    holders: dict[tuple[int, int], set[str]] = {}
    for number in range(looked):
        try:
            images = doc.get_page_images(number)
            owner = doc.xref_get_key(doc.page_xref(number), "Resources")
        except (RuntimeError, ValueError, pymupdf.mupdf.FzErrorBase):
            continue
        name = owner[1] if owner[0] == "xref" else "inherited" if owner[0] == "null" else f"page {number}"
        if images:
            pictured.add(number + 1)
        for image in images:
            holders.setdefault((image[2], image[3]), set()).add(name)
    many = max(3, 0.15 * looked)
    return Listed(frozenset(size for size, names in holders.items() if len(names) >= many), frozenset(pictured))


def caption_of(box: Box, parts: Iterable[Part]) -> str:
    """The caption that stands right below or above the box, or beside it; empty if none does."""
    near = [(_distance(box, part.bbox), part.text) for part in parts if part.kind == "caption" and part.bbox]
    return min((item for item in near if item[0] <= NEAR_PT), default=(0.0, ""))[1][:500]


def context_of(box: Box, parts: Iterable[Part]) -> str:
    """Text that stands nearest to the box, about 300 characters."""
    usual = (part for part in parts if part.kind in ("text", "heading", "list") and part.bbox and len(part.text) > 2)
    near = sorted((_distance(box, part.bbox), index, part.text) for index, part in enumerate(usual) if part.bbox)
    text = ""
    for _, _, piece in near[:3]:
        if len(text) + len(piece) > CONTEXT_CHARS and text:
            break
        text = f"{text} {piece}".strip()
    return text[:CONTEXT_CHARS]


def _distance(first: Box, second: Box) -> float:
    across = max(first[0] - second[2], second[0] - first[2], 0.0)
    along = max(first[1] - second[3], second[1] - first[3], 0.0)
    return float(along + 2 * across)


def _touch(first: Box, second: Box) -> bool:
    return _shared(first, second) > 0


def _joined(items: list[tuple[Box, Placed]]) -> list[tuple[Box, list[Placed]]]:
    """Strips and tiles of one picture joined: boxes of the same width on top of each other, then side by side."""
    groups = [(box, [placed]) for box, placed in items]
    for low, high, start, end in ((0, 2, 1, 3), (1, 3, 0, 2)):
        groups.sort(key=lambda item: (round(item[0][low]), round(item[0][high]), item[0][start]))
        joined: list[tuple[Box, list[Placed]]] = []
        for box, placed in groups:
            last = joined[-1] if joined else None
            aligned = last is not None and abs(last[0][low] - box[low]) < 1 and abs(last[0][high] - box[high]) < 1
            if last is not None and aligned and -2 < box[start] - last[0][end] < 1:
                x0, y0, x1, y1 = zip(last[0], box, strict=True)
                joined[-1] = ((min(x0), min(y0), max(x1), max(y1)), last[1] + placed)
            else:
                joined.append((box, placed))
        groups = joined
    return _stacked(groups)


def _stacked(groups: list[tuple[Box, list[Placed]]]) -> list[tuple[Box, list[Placed]]]:
    """Pictures that lie on each other are one picture; the first `MOST_STACKED` are looked at."""
    result: list[tuple[Box, list[Placed]]] = groups[MOST_STACKED:]
    largest_first = sorted(groups[:MOST_STACKED], key=lambda item: -_area(item[0]))
    base = len(result)
    for box, placed in largest_first:
        for index in range(base, len(result)):
            if _shared(box, result[index][0]) > 0.3 * min(_area(box), _area(result[index][0])):
                x0, y0, x1, y1 = zip(box, result[index][0], strict=True)
                result[index] = ((min(x0), min(y0), max(x1), max(y1)), result[index][1] + placed)
                break
        else:
            result.append((box, placed))
    return result


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _shared(first: Box, second: Box) -> float:
    wide, high = (
        min(first[2], second[2]) - max(first[0], second[0]),
        min(first[3], second[3]) - max(first[1], second[1]),
    )
    return max(0.0, wide) * max(0.0, high)


def _is_plain(pixels: pymupdf.Pixmap) -> bool:
    """Whether all pixels have one colour."""
    colours = _colours(pixels)
    return all(bool((some == colours[0, 0]).all()) for some in (colours[::16, ::16], colours))


def _colours(pixels: pymupdf.Pixmap) -> npt.NDArray[np.uint8]:
    """(height, width, 3), a view of the pixels."""
    rows = np.frombuffer(pixels.samples_mv, np.uint8).reshape(pixels.height, pixels.stride)
    return rows[:, : 3 * pixels.width].reshape(pixels.height, pixels.width, 3)


def _save(pixels: pymupdf.Pixmap, path: Path) -> None:
    """A JPEG by Pillow, in a tenth of the time that MuPDF takes; a PNG in one channel if it is grey."""
    colours = _colours(pixels)
    if path.suffix == ".jpg":
        Image.fromarray(colours).save(path, quality=JPEG_QUALITY)
    else:
        red = colours[..., 0]
        grey = bool((red == colours[..., 1]).all() and (red == colours[..., 2]).all())
        png.write(red if grey else colours, path)
