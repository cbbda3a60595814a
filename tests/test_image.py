"""Standalone pictures: what is kept of them, and how pages are told from photographs."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from pipeline.config import Limits
from pipeline.errors import LimitExceeded, Unreadable
from pipeline.parse import ParseOptions
from pipeline.parse.caption import words_of_name
from pipeline.parse.image import parse
from pipeline.parse.image_signals import picture_signals
from pipeline.types import Blob, Failure, Info, Page, Route, Signals

DEV = Path(__file__).parents[1] / "../shared/data/dev"
WORDS = "It was the best of times, it was the worst of times, it was the age of wisdom. "


def to_picture(signals: Signals) -> Route:
    return Route("image", "test")


def to_both(signals: Signals) -> Route:
    return Route("both", "test")


def events(path: Path, decide=to_picture, limits: Limits | None = None, first_page: int = 1, kind: str = "") -> list:
    kind = kind or "image/" + {"jpg": "jpeg", "tif": "tiff"}.get(path.suffix[1:], path.suffix[1:])
    blob = Blob(path.as_uri(), path, "0", path.stat().st_size, kind, path.name)
    work_dir = path.parent / "work"
    work_dir.mkdir(exist_ok=True)
    return list(parse(blob, work_dir, ParseOptions(limits or Limits(), decide, first_page=first_page)))


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        assert image.mode == "RGB"
        return image.copy()


def text_page(width: int = 1240, height: int = 1754, lines: int = 40, ink="black", ground="white") -> Image.Image:
    page = Image.new("RGB", (width, height), ground)
    font = ImageFont.load_default(22)
    for number in range(lines):
        start = number * 13 % len(WORDS)
        ImageDraw.Draw(page).text((120, 120 + 36 * number), (WORDS * 2)[start : start + 85], ink, font)
    return page


def landscape(size: int = 600) -> Image.Image:
    """Smooth sky above rough ground, with soft blobs: no photograph, but as little a page."""
    rng = np.random.default_rng(7)
    rows = np.linspace(0, 1, size)[:, None, None]
    sky = np.array([90, 140, 220]) * (1 - 0.4 * rows) * np.ones((1, size, 1))
    rough = np.asarray(Image.fromarray(rng.integers(0, 160, (60, 60, 3), dtype=np.uint8)).resize((size, size)))
    return Image.fromarray(np.where(rows < 0.45, sky, rough).astype(np.uint8)).filter(ImageFilter.GaussianBlur(2))


# what is kept ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "gif", "bmp"])
def test_every_format_becomes_a_picture(tmp_path: Path, suffix: str) -> None:
    """A picture of each format is yielded as one page with a re-encoded picture, named after its file."""
    landscape().save(tmp_path / f"green-hills.{suffix}")
    info, page = events(tmp_path / f"green-hills.{suffix}")
    (picture,) = page.pictures

    assert (info.title, info.metadata["dimensions"]) == ("green hills", "600 x 600")
    assert (page.number, page.image, picture.caption) == (1, None, "green hills")
    assert opened(picture.path).size == (picture.width_px, picture.height_px) == (600, 600)


def test_a_large_picture_is_written_smaller(tmp_path: Path) -> None:
    """The picture is at most 2048 px long and the page 3500 px; the signals tell the original size."""
    Image.new("RGB", (5000, 1000), "red").save(tmp_path / "a.png", dpi=(250, 250))
    page = events(tmp_path / "a.png", to_both)[1]

    assert (page.signals.width_px, page.signals.height_px) == (5000, 1000)
    assert (page.pictures[0].width_px, page.pictures[0].height_px) == (2048, 410)
    assert (page.image.width_px, page.image.height_px) == (3500, 700)
    assert (page.image.width_pt, page.image.height_pt) == pytest.approx((1440, 288), abs=0.1)


def test_a_turned_photograph_is_set_upright(tmp_path: Path) -> None:
    """The orientation that EXIF tells is applied to pixels, size and box."""
    image = Image.new("RGB", (400, 200), "white")
    image.paste("red", (0, 0, 100, 200))  # its left edge is the top of the scene
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    picture = events(tmp_path / "a.jpg")[1].pictures[0]
    upright = opened(picture.path)

    assert (picture.width_px, picture.height_px, picture.bbox) == (200, 400, (0, 0, 200, 400))
    assert upright.getpixel((100, 20))[1] < 90 < 200 < upright.getpixel((100, 380))[1]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    """A light grey square stays light in every pixel format; transparent pixels become white."""
    image = Image.new("RGB", (100, 100), (200, 200, 200))
    if mode == "I;16":
        image = Image.fromarray(np.full((100, 100), 200 * 257, dtype=np.uint16))
    elif mode in ("I", "F"):
        image = Image.fromarray(np.tile(np.arange(100), (100, 1)).astype(np.int32 if mode == "I" else np.float32))
    elif mode in ("LA", "RGBA"):
        image = image.convert(mode)
        image.putalpha(0)
    else:
        image = image.convert(mode)
    image.save(tmp_path / "a.tif")
    written = opened(events(tmp_path / "a.tif")[1].pictures[0].path)

    assert mode == "1" or written.getpixel((90, 50))[0] > (80 if mode in ("I", "F") else 190)


def test_every_frame_of_a_tiff_is_a_page(tmp_path: Path) -> None:
    """Frames are numbered from 1 and can be taken up again in the middle."""
    frames = [Image.new("L", (100 + n, 80), "white") for n in range(4)]
    frames[0].save(tmp_path / "fax.tif", save_all=True, append_images=frames[1:])
    info, *pages = events(tmp_path / "fax.tif")
    rest = events(tmp_path / "fax.tif", first_page=3)[1:]

    assert info.page_count == 4
    assert [(page.number, page.signals.width_px) for page in pages] == [(1, 100), (2, 101), (3, 102), (4, 103)]
    assert [page.number for page in rest] == [3, 4]


def test_an_animation_is_one_picture(tmp_path: Path) -> None:
    """The first frame stands for all; the number of frames is noted."""
    frames = [Image.new("RGB", (60, 60), colour) for colour in ("red", "green", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    info, *pages = events(tmp_path / "a.gif")

    assert (len(pages), info.metadata["frames"], info.page_count) == (1, "3", 1)


def test_a_fax_gets_square_pixels(tmp_path: Path) -> None:
    """A page of 204 x 102 dpi is stretched, so that its letters look like letters."""
    Image.new("L", (816, 408), "white").save(tmp_path / "a.tif", dpi=(204, 102))
    image = events(tmp_path / "a.tif", to_both)[1].image

    assert (image.width_px, image.height_px, image.width_pt, image.height_pt) == (816, 816, 288, 288)


def test_a_description_beats_the_file_name(tmp_path: Path) -> None:
    """EXIF's description is caption and title; what cameras write there by themselves is neither."""
    for name, description in (("dog-one.jpg", "A dog in  the snow"), ("dog-two.jpg", "OLYMPUS DIGITAL CAMERA")):
        exif = Image.Exif()
        exif[0x010E], exif[0x010F] = description, "Acme"
        landscape(100).save(tmp_path / name, exif=exif)
    told, silent = (events(tmp_path / name) for name in ("dog-one.jpg", "dog-two.jpg"))

    assert (told[0].title, told[1].pictures[0].caption) == ("A dog in the snow",) * 2
    assert (silent[0].title, silent[1].pictures[0].caption) == ("dog two",) * 2
    assert told[0].metadata["camera"] == "Acme"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("red-sports-car.jpg", "red sports car"),
        ("RedSportsCar.png", "Red Sports Car"),
        ("boeing 747 in Zürich.jpg", "boeing 747 in Zürich"),
        ("富士山.jpg", "富士山"),
        ("photo of a cat.jpg", "photo of a cat"),
        ("IMG_1234.JPG", ""),
        ("DSC00012.jpg", ""),
        ("1924234308_c9ddcf206d.jpg", ""),
        ("000000011813.jpg", ""),
        ("deadbeefcafe.jpg", ""),
        ("Screenshot 2024-01-01 at 10.11.12.png", ""),
        ("3f2504e0-4f89-11d3-9a0c-0305e82c3301.png", ""),
        ("scan0001.tif", ""),
    ],
)
def test_only_names_that_people_chose_are_captions(name: str, words: str) -> None:
    """Counters, hashes, dates and words of devices say nothing of a picture."""
    said = words_of_name(name)

    assert said.replace(" a ", " ") == words.replace(" a ", " ")


# hostile pictures -----------------------------------------------------------------------------------------------


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    header = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = b"\x89PNG\r\n\x1a\n"
    for name, data in (header, *chunks, (b"IEND", b"")):
        body += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return body


@pytest.mark.parametrize("side", [11_000, 60_000])
def test_a_pixel_bomb_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    """Too many pixels are an error that names the limit; nothing is decoded."""
    (tmp_path / "bomb.png").write_bytes(png(side, side, (b"IDAT", zlib.compress(bytes(10)))))

    with pytest.raises(LimitExceeded, match=r"bomb\.png: .* 100 megapixels .*limits\.picture_mpx"):
        events(tmp_path / "bomb.png")


def test_damaged_pictures_are_unreadable(tmp_path: Path) -> None:
    """Cut off, bloated or nonsense: an error that names the file."""
    landscape().save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-4000])
    (tmp_path / "text.png").write_bytes(png(8, 8, (b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 24)))))
    (tmp_path / "nonsense.gif").write_bytes(b"GIF89a" + bytes(range(200)))

    for name in ("cut.jpg", "text.png", "nonsense.gif"):
        with pytest.raises(Unreadable, match=name):
            events(tmp_path / name)


def test_a_damaged_frame_costs_only_itself(tmp_path: Path) -> None:
    """The other frames of a TIFF are kept."""
    frames = [landscape(200) for _ in range(3)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:], compression="jpeg")
    with Image.open(tmp_path / "a.tif") as image:
        image.seek(1)
        start = image.tag_v2[273][0]
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[start : start + 400] = bytes(400)
    (tmp_path / "a.tif").write_bytes(data)
    info, *rest = events(tmp_path / "a.tif")

    assert isinstance(info, Info)
    assert [type(event) for event in rest] == [Page, Failure, Page]
    assert rest[1].page == 2


# signals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [3, 15, 40])
def test_text_is_seen_as_lines(lines: int) -> None:
    """Dense and sparse pages, turned by 2 degrees, on grey paper in bad light, and light on dark: lines on paper."""
    page = text_page(lines=lines)
    light = np.linspace(0.6, 1, page.width)[None, :, None]
    noise = np.random.default_rng(1).normal(0, 6, (page.height, page.width, 3))
    shot = Image.fromarray(
        (np.asarray(page.rotate(2, fillcolor="white")) * light + noise).clip(0, 255).astype(np.uint8)
    )
    slide = text_page(lines=lines, ink="white", ground="#102040")

    for image in (page, shot, slide, page.rotate(90, expand=True)):
        signals = picture_signals(image)
        assert signals.lines > 0.6
        assert signals.paper > 0.6


def test_no_lines_where_there_is_no_text() -> None:
    """Scenery, noise, a blank sheet and large shapes have none."""
    noise = Image.fromarray(np.random.default_rng(2).integers(0, 255, (500, 500, 3), dtype=np.uint8))
    shapes = Image.new("RGB", (500, 500), "white")
    ImageDraw.Draw(shapes).ellipse((100, 100, 400, 400), fill="blue")

    for image in (landscape(), noise, Image.new("RGB", (500, 500), "white"), shapes):
        assert picture_signals(image).lines < 0.1


@pytest.mark.skipif(not DEV.exists(), reason="needs the development data")
def test_photographs_are_told_from_pages() -> None:
    """No photograph has both the paper and the lines of a page; every scan among the pictures does."""
    photos = sorted((DEV / "gold/photos/images").iterdir())[::2]
    scans = [DEV / "corpus/images" / name for name in ("DA-1p.jpg", "double-column-A.jpg", "invoice_image.png")]

    def is_page(path: Path) -> bool:
        signals = picture_signals(opened(path))
        return signals.lines >= 0.35 and signals.paper >= 0.40

    assert not any(is_page(path) for path in photos)
    assert all(is_page(path) for path in scans)
