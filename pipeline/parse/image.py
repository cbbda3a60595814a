"""Standalone pictures: measured, decoded once, and written again so that nobody else decodes the original."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from pipeline.config import Limits
from pipeline.errors import LimitExceeded, Permanent, Unreadable, to_failure
from pipeline.parse import ParseOptions, caption
from pipeline.parse.image_signals import picture_signals
from pipeline.types import Blob, Event, Info, Page, PageImage, Picture

FORMATS = {
    "image/png": ("PNG",),
    "image/jpeg": ("JPEG",),  # opens MPO, too
    "image/tiff": ("TIFF",),
    "image/webp": ("WEBP",),
    "image/gif": ("GIF",),
    "image/bmp": ("BMP",),
}
BROKEN = (*caption.BROKEN, EOFError, struct.error, zlib.error)  # Pillow's answers to damaged files
PICTURE_PX = 2048  # long side of a picture for the embedder
PAGE_PX = 3500  # long side of a page: A4 at 300 dpi
DPI = (72, 1200)  # what is outside is no scanner's resolution
COUNTED_BYTES = 32 << 20  # of an animation; in more there may be millions of frames
MANY_COLOURS = 2048  # in a small copy: a photograph or a noisy scan, which PNG does not compress
TURNS = {  # EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = {TURNS[orientation] for orientation in (5, 6, 7, 8)}
SQUARE = 1.3  # pixels less square than this are made square (fax: 204 x 98 dpi)


def parse(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """`Info`, then one `Page` a frame; only TIFF has more than one, of an animation the first frame stands for all.

    A frame is turned as EXIF says, flattened on white and re-encoded: as a `Picture` for the routes `image` and
    `both` (long side at most 2048 px), as a `PageImage` for `page` and `both` (3500 px). Raises `LimitExceeded` for
    more than `limits.picture_mpx`, known from the header, and `Unreadable` for what cannot be decoded; a frame of
    several is a `Failure` instead.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's view of damaged metadata
        with _open(blob, options.limits) as image:
            frames = _frame_count(image, blob, options.limits)
            yield _info(image, blob, frames)
            paged = image.format == "TIFF"
            kept, most = 0, options.limits.pictures
            for number in range(options.first_page, (frames if paged else 1) + 1):
                event = _frame(image, number, frames if paged else 1, blob, work_dir, options)
                if isinstance(event, Page) and event.pictures:
                    kept += 1
                    event = event if kept <= most else _without_pictures(event)
                yield event
            if kept > most:
                problem = f"{kept - most} pictures after the first {most} were left out (limits.pictures)"
                yield to_failure(LimitExceeded(problem), "parse")


def _open(blob: Blob, limits: Limits) -> ImageFile.ImageFile:
    Image.MAX_IMAGE_PIXELS = int(limits.picture_mpx * 1e6)
    try:
        image = Image.open(blob.path, formats=FORMATS[blob.media_type])
    except Image.DecompressionBombError as error:
        raise LimitExceeded(_too_large(blob, limits)) from error
    except BROKEN as error:
        raise Unreadable(_damaged(blob, error)) from error
    if image.width * image.height > limits.picture_mpx * 1e6:
        image.close()
        raise LimitExceeded(_too_large(blob, limits, image.size))
    return image


def _frame_count(image: ImageFile.ImageFile, blob: Blob, limits: Limits) -> int:
    """Frames of a TIFF up to the first that cannot be found; those of an animation are counted for the record only."""
    try:
        if image.format != "TIFF":
            return int(getattr(image, "n_frames", 1)) if blob.size_bytes < COUNTED_BYTES else 1
        found = _tiff_frames(image, limits.pages)
        image.seek(0)
    except BROKEN as error:
        raise Unreadable(_damaged(blob, error)) from error
    if found > limits.pages:
        raise LimitExceeded(f"{blob.name}: more than {limits.pages} frames (limits.pages)")
    return found


def _tiff_frames(image: ImageFile.ImageFile, most: int) -> int:
    for frame in range(1, most + 1):
        try:
            image.seek(frame)
        except EOFError:
            return frame
        except BROKEN:
            return frame + 1  # reading it will tell what is wrong
    return most + 1


def _frame(
    image: ImageFile.ImageFile, number: int, frames: int, blob: Blob, work_dir: Path, options: ParseOptions
) -> Event:
    try:
        return _page(image, number, blob, work_dir, options)
    except Permanent as error:
        if frames == 1:
            raise
        return to_failure(type(error)(f"{error} (frame {number} of {frames})"), "parse", number)


def _without_pictures(page: Page) -> Page:
    for picture in page.pictures:
        picture.path.unlink()
    return replace(page, pictures=())


def _page(image: ImageFile.ImageFile, number: int, blob: Blob, work_dir: Path, options: ParseOptions) -> Page:
    words = caption.embedded_description(image) or caption.words_of_name(blob.name)
    full, size_px, dpi = _decode(image, number, blob, options.limits)
    width_pt, height_pt = size_px[0] * 72 / dpi, size_px[1] * 72 / dpi
    signals = picture_signals(full, size_px)
    route = options.route(signals, number)
    pictures: tuple[Picture, ...] = ()
    page_image = None
    if route.path in ("page", "both"):
        path = _write(full, work_dir / f"page-{number:05d}", blob)
        page_image = PageImage(path, full.width, full.height, width_pt, height_pt)
    if route.path in ("image", "both"):
        full.thumbnail((PICTURE_PX, PICTURE_PX))
        path = _write(full, work_dir / f"picture-{number:05d}", blob)
        box = (0.0, 0.0, width_pt, height_pt)
        pictures = (Picture(path, full.width, full.height, box, caption=words),)
    return Page(number, route, signals, pictures=pictures, image=page_image)


def _decode(
    image: ImageFile.ImageFile, number: int, blob: Blob, limits: Limits
) -> tuple[Image.Image, tuple[int, int], float]:
    """The frame as RGB, upright, at most 3500 px; its full size in pixels; its resolution."""
    try:
        if number > 1:
            image.seek(number - 1)
        if image.width * image.height > limits.picture_mpx * 1e6:
            raise LimitExceeded(_too_large(blob, limits, image.size))
        across, down = _dpi(image)
        width, height = image.size
        image.draft("RGB", (PAGE_PX, PAGE_PX))  # a large JPEG is decoded at a half, a quarter or an eighth
        image.load()
        small = _shrunk(image)
        if max(across, down) > SQUARE * min(across, down):
            height = round(height * across / down)
            small = small.resize((small.width, max(1, round(small.height * across / down))))
            small.thumbnail((PAGE_PX, PAGE_PX))
        turn = _turn(image)
        plain = _on_white(small)
    except Image.DecompressionBombError as error:
        raise LimitExceeded(_too_large(blob, limits)) from error
    except BROKEN as error:
        raise Unreadable(_damaged(blob, error)) from error
    upright = plain if turn is None else plain.transpose(turn)
    return upright, (height, width) if turn in SIDEWAYS else (width, height), across


def _shrunk(image: Image.Image) -> Image.Image:
    """A copy of at most 3500 px in a mode that can be resampled."""
    if image.mode in ("P", "PA", "1") or "transparency" in image.info:
        image = image.convert("RGBA" if image.mode != "1" else "L")
    elif image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    longest = max(image.size)
    if longest <= PAGE_PX:
        return image.copy()
    size = (max(1, round(image.width * PAGE_PX / longest)), max(1, round(image.height * PAGE_PX / longest)))
    return image.resize(size, reducing_gap=2.0)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits, or floating point, as 8 bits."""
    values = np.asarray(image).astype(np.float32)
    if image.mode == "F":
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        values = (np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-9) * 255
    elif values.max(initial=0) > 255:
        values /= 257
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode not in ("RGBA", "LA", "La", "RGBa", "PA"):
        return image.convert("RGB")
    layer = image.convert("RGBA")
    ground = Image.new("RGB", layer.size, "white")
    ground.paste(layer, mask=layer.getchannel("A"))
    return ground


def _turn(image: ImageFile.ImageFile) -> Image.Transpose | None:
    """What EXIF says must be done to show the picture upright."""
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except BROKEN:
        return None


def _dpi(image: ImageFile.ImageFile) -> tuple[float, float]:
    """Pixels an inch, across and down; 72 (one pixel is one point) where the file tells nothing sensible."""
    told: Any = image.info.get("dpi")
    try:
        across, down = float(told[0]), float(told[1])
    except (TypeError, ValueError, LookupError, ArithmeticError):
        return 72.0, 72.0
    return (across, down) if all(DPI[0] <= value <= DPI[1] for value in (across, down)) else (72.0, 72.0)


def _write(image: Image.Image, stem: Path, blob: Blob) -> Path:
    """As JPEG where there are many colours (or the source was one), else as PNG."""
    sample = image.copy()
    sample.thumbnail((256, 256), Image.Resampling.NEAREST)
    if blob.media_type == "image/jpeg" or sample.getcolors(MANY_COLOURS) is None:
        path = stem.with_suffix(".jpg")
        image.save(path, quality=90)
    else:
        path = stem.with_suffix(".png")
        image.save(path, compress_level=3)
    return path


def _info(image: ImageFile.ImageFile, blob: Blob, frames: int) -> Info:
    metadata = {"dimensions": f"{image.width} x {image.height}", "format": image.format or ""}
    if frames > 1:
        metadata["frames"] = str(frames)
    metadata |= _exif_facts(image)
    title = caption.embedded_title(image) or caption.embedded_description(image) or caption.readable_stem(blob.name)
    return Info(title=title[:200], page_count=frames if image.format == "TIFF" else 1, metadata=metadata)


def _exif_facts(image: ImageFile.ImageFile) -> dict[str, str]:
    """Camera and date. Where a picture was taken is left out on purpose."""
    try:
        exif = image.getexif()
        inner = exif.get_ifd(ExifTags.IFD.Exif)
        facts = {
            "camera": f"{exif.get(ExifTags.Base.Make) or ''} {exif.get(ExifTags.Base.Model) or ''}",
            "taken": inner.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime) or "",
        }
    except BROKEN:
        return {}
    clean = {key: " ".join(str(value).replace("\x00", " ").split())[:100] for key, value in facts.items()}
    return {key: value for key, value in clean.items() if value}


def _too_large(blob: Blob, limits: Limits, size: tuple[int, int] | None = None) -> str:
    found = f"{size[0]} x {size[1]} pixels" if size else "too many pixels"
    return f"{blob.name}: {found}; at most {limits.picture_mpx:g} megapixels are decoded (limits.picture_mpx)"


def _damaged(blob: Blob, error: BaseException) -> str:
    kind = blob.media_type.removeprefix("image/").upper()
    found = "its header cannot be read" if isinstance(error, UnidentifiedImageError) else str(error)
    return f"{blob.name}: damaged {kind} ({found or type(error).__name__}); export or scan it again"
