"""Words that belong to a picture: its embedded description, or its file name where a person chose it."""

from __future__ import annotations

import html
import re
from pathlib import PurePath

from PIL import ExifTags, ImageFile, IptcImagePlugin

BROKEN = (OSError, ValueError, SyntaxError, TypeError, LookupError, ArithmeticError, RuntimeError, AttributeError)
LONGEST = 2000  # characters of a description
DEVICE_WORDS = """
img image images dsc dscn dscf dcim pic picture photo scan scanned scanner screenshot screen shot untitled unnamed
download file page whatsapp telegram pxl mvimg copy final thumb thumbnail large small medium original test sample
example new tmp temp of at am pm the and an in on to attachment bild foto capture doc document figure fig frame vid
video snapshot cropped edited resized
"""
GENERIC = frozenset(DEVICE_WORDS.split())
CAMERA_DEFAULTS = re.compile(
    r"(?:olympus|sony|minolta|kodak|konica|samsung|fuji|canon|nikon)?\s*(?:digital|dsc|still)?\s*(?:camera|dsc)?", re.I
)
XMP_TEXT = r"<dc:{}>.{{0,200}}?<rdf:li[^>]{{0,100}}>([^<]{{1,4000}})</rdf:li>"
IPTC_TITLE, IPTC_CAPTION = (2, 5), (2, 120)


def embedded_title(image: ImageFile.ImageFile) -> str:
    """Title from XMP, IPTC or PNG text, or an empty string."""
    return _first(_xmp(image, "title"), _iptc(image, IPTC_TITLE), image.info.get("Title"))


def embedded_description(image: ImageFile.ImageFile) -> str:
    """Description from EXIF, XMP, IPTC or PNG text, or an empty string; what cameras write there by themselves is none.

    A damaged metadata block counts as absent: the picture itself may be fine.
    """
    exif = _exif(image, ExifTags.Base.ImageDescription)
    if CAMERA_DEFAULTS.fullmatch(exif):
        exif = ""
    described = (exif, _xmp(image, "description"), _iptc(image, IPTC_CAPTION))
    return _first(*described, image.info.get("Description"), embedded_title(image))


def words_of_name(name: str) -> str:
    """A file name as a caption, or an empty string for the name that a machine gave.

    >>> words_of_name("red-sports-car.jpg"), words_of_name("IMG_1234.JPG")
    ('red sports car', '')
    """
    spaced = re.sub(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])", " ", PurePath(name).stem)
    chunks = [chunk for chunk in re.split(r"[\W_]+", spaced) if chunk]
    kept = [chunk for chunk in chunks if _is_word(chunk) or re.fullmatch(r"\d{1,4}", chunk)]
    telling = [chunk for chunk in kept if not chunk.isdecimal() and chunk.lower() not in GENERIC and _is_long(chunk)]
    if not telling or 2 * sum(map(len, kept)) < sum(map(len, chunks)):
        return ""
    return " ".join(kept)


def readable_stem(name: str) -> str:
    """A file name as a title: always something, with spaces for underscores and hyphens."""
    return " ".join(re.split(r"[\s_-]+", PurePath(name).stem)).strip() or name


def _is_word(chunk: str) -> bool:
    if not chunk.isalpha():
        return False
    ascii_word = chunk.lower() if chunk.isascii() else ""
    if not ascii_word:
        return True
    if len(ascii_word) >= 8 and set(ascii_word) <= set("abcdef"):
        return False  # a hash without digits
    return any(vowel in ascii_word for vowel in "aeiouy") or len(ascii_word) <= 4


def _is_long(chunk: str) -> bool:
    return len(chunk) >= 3 or not chunk.isascii()


def _first(*texts: object) -> str:
    lines = (" ".join(str(text).replace("\x00", " ").split()) for text in texts if text)
    return next((line[:LONGEST] for line in lines if len(line) > 2), "")


def _exif(image: ImageFile.ImageFile, tag: int) -> str:
    try:
        value = image.getexif().get(tag)
    except BROKEN:
        return ""
    return str(value) if isinstance(value, str) else ""


def _xmp(image: ImageFile.ImageFile, field: str) -> str:
    block = image.info.get("xmp") or b""
    text = block if isinstance(block, str) else bytes(block[: 1 << 18]).decode("utf-8", "replace")
    found = re.search(XMP_TEXT.format(field), text, re.S)
    return html.unescape(found[1]) if found else ""


def _iptc(image: ImageFile.ImageFile, field: tuple[int, int]) -> str:
    try:
        value = (IptcImagePlugin.getiptcinfo(image) or {}).get(field)
    except BROKEN:
        return ""
    data = value[0] if isinstance(value, list) and value else value
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else ""
