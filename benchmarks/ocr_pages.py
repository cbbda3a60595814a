"""Printed and scanned pages with known text, for measuring OCR: dense, two columns, a letter, a slide, a note, a table.

The same seed gives the same pages. Text is that of the development data; scripts are sentences that stand here.
"""

from __future__ import annotations

import html
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pymupdf
from PIL import Image

from benchmarks.measure import load_gold

SEED = 11
GAP_PT = 18


@dataclass(frozen=True, slots=True)
class Sheet:
    """A kind of page: words on it, size, margin and font size in points, columns, language of its paragraphs."""

    kind: str
    words: int
    width_pt: float
    height_pt: float
    margin_pt: float
    font: str
    size_pt: float
    columns: int = 1
    language: str = "en"


SHEETS = (
    Sheet("dense", 520, 595, 842, 56, "serif", 10),
    Sheet("dense", 480, 595, 842, 56, "sans-serif", 10, language="de"),
    Sheet("dense", 480, 595, 842, 56, "serif", 11, language="es"),
    Sheet("columns", 700, 595, 842, 45, "serif", 8, columns=2),
    Sheet("letter", 150, 595, 842, 80, "serif", 12),
    Sheet("slide", 60, 960, 540, 60, "sans-serif", 26),
    Sheet("note", 60, 300, 420, 24, "sans-serif", 9),
)
SCRIPTS = {
    "Latin, accents": "Où naît l'œuvre? Ça coûte 12 € à Zürich; señor Núñez, Łódź, Tromsø, İzmir, Plzeň, Győr, Århus.",
    "Vietnamese": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi.",
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "Cyrillic": "Все люди рождаются свободными и равными в своём достоинстве и правах.",
    "Chinese": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
    "Japanese": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "Korean": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "Arabic": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق.",
    "Devanagari": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page on disk: its size in points and the words on it in reading order."""

    name: str
    picture: Path
    width_pt: float
    height_pt: float
    text: str


def pages(data: Path, folder: Path, count: int = 1, turn_deg: float = 0.0, noisy: bool = True) -> list[Page]:
    """`count` pages of each kind, scanned; with `turn_deg` laid on the scanner turned, to the left."""
    lot = random.Random(SEED)
    words = {language: _paragraphs(data, language, lot) for language in ("en", "de", "es")}
    made = []
    for number, sheet in enumerate(SHEETS * count):
        page = _print(sheet, _take(words[sheet.language], sheet.words))
        picture = folder / f"{number:02d}-{sheet.kind}.jpg"
        _scan(page, picture, random.Random(f"{SEED} {number}"), turn_deg, noisy)
        made.append(Page(sheet.kind, picture, page.rect.width, page.rect.height, _text(page, sheet)))
    return made


def script_pages(folder: Path) -> Iterator[Page]:
    """A clean page of each script, its sentence six times, 14 points at 150 dpi."""
    for number, (name, sentence) in enumerate(SCRIPTS.items()):
        page = pymupdf.open().new_page(width=595, height=842)
        body = "".join(f"<p>{html.escape(sentence)}</p>" for _ in range(6))
        page.insert_htmlbox((60, 60, 535, 780), body, css="* {font-size: 14pt}")
        picture = folder / f"script-{number}.png"
        page.get_pixmap(dpi=150).save(picture)
        yield Page(name, picture, 595, 842, " ".join([sentence] * 6))


def _paragraphs(data: Path, language: str, lot: random.Random) -> Callable[[], str]:
    folder = data / "gold" / ("text_cisi" if language == "en" else "text_xquad")
    gold = load_gold(folder, None if language == "en" else language)
    shuffled = sorted(gold.documents)
    lot.shuffle(shuffled)
    return map(gold.documents.__getitem__, shuffled).__next__


def _take(paragraph: Callable[[], str], words: int) -> list[str]:
    taken: list[str] = []
    while sum(len(text.split()) for text in taken) < words:
        taken.append(paragraph())
    return taken


def _print(sheet: Sheet, paragraphs: Sequence[str]) -> pymupdf.Page:
    page = pymupdf.open().new_page(width=sheet.width_pt, height=sheet.height_pt)
    wide = (sheet.width_pt - 2 * sheet.margin_pt - GAP_PT * (sheet.columns - 1)) / sheet.columns
    style = f"* {{font-family: {sheet.font}; font-size: {sheet.size_pt}pt}}"
    for column in range(sheet.columns):
        left = sheet.margin_pt + column * (wide + GAP_PT)
        body = "".join(f"<p>{html.escape(text)}</p>" for text in paragraphs[column :: sheet.columns])
        box = (left, sheet.margin_pt, left + wide, sheet.height_pt - sheet.margin_pt)
        page.insert_htmlbox(box, body, css=style, scale_low=0.5)
    return page


def _text(page: pymupdf.Page, sheet: Sheet) -> str:
    """Column by column."""
    wide = page.rect.width / sheet.columns
    words = [(int(word[0] // wide), word[4]) for word in page.get_text("words")]
    return " ".join(word for column in range(sheet.columns) for at, word in words if at == column)


def _scan(page: pymupdf.Page, picture: Path, lot: random.Random, turn_deg: float, noisy: bool) -> None:
    """Grey, 120 to 150 dpi, up to .7 degrees askew, noisy, JPEG."""
    pixels = page.get_pixmap(dpi=lot.randint(120, 150), colorspace=pymupdf.csGRAY)
    grey = Image.frombytes("L", (pixels.width, pixels.height), pixels.samples)
    angle = turn_deg + (lot.uniform(-0.7, 0.7) if noisy else 0.0)
    grey = grey.rotate(angle, Image.Resampling.BICUBIC, expand=abs(turn_deg) > 1, fillcolor=255)
    noise = np.random.default_rng(lot.randrange(2**32)).normal(0, 9 if noisy else 0.01, (grey.height, grey.width))
    values = np.clip(np.asarray(grey, np.float32) * 0.88 + 20 + noise, 0, 255).astype(np.uint8)
    Image.fromarray(values).save(picture, quality=lot.randint(45, 75))
