"""`docmill search --save-pages DIR`: the stored pictures of the pages that hits stand on, with the places drawn in."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from PIL import Image

from cli.output import warn
from pipeline.drawing import drawn
from pipeline.errors import UsageError
from pipeline.search import Answer
from pipeline.store import Store, doc_id
from pipeline.types import Box, Hit

QUALITY = 88
STEM = 60  # letters of the source's name in a file's name


@dataclass(frozen=True, slots=True)
class Saved:
    """A picture that was written for a hit."""

    rank: int
    path: str


def check_folder(folder: Path) -> None:
    """Makes the folder if there is none, before anything is searched. Raises UsageError if it takes no files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError as error:
        raise UsageError(f"--save-pages {folder}: it is a file; give a folder") from error
    except OSError as error:
        raise UsageError(f"--save-pages {folder}: cannot be written to ({error.strerror})") from error


def save_pages(store: Store, answer: Answer, folder: Path) -> list[Saved]:
    """One JPEG for each hit on a page whose picture is stored, named by rank, source and page; older ones are replaced.

    A page shows its map and its best regions, a passage or picture its own box. Raises UsageError if a file cannot be
    written; a stored picture that cannot be read is passed over with a warning.
    """
    saved = []
    digits = max(2, len(str(len(answer.hits))))
    for hit, row in _on_pages(store, answer.hits):
        try:
            with Image.open(io.BytesIO(store.asset(row["asset_id"])), formats=("JPEG", "PNG")) as picture:
                made = _picture(picture, hit, row, answer)
        except (UsageError, OSError, Image.DecompressionBombError) as error:
            warn(f"hit {hit.rank}: the stored page picture cannot be read ({error})")
            continue
        path = folder / f"{hit.rank:0{digits}}-{_stem(hit.source_uri)}-p{hit.page or 1}.jpg"
        _write(made, path)
        saved.append(Saved(hit.rank, str(path)))
    return saved


def _on_pages(store: Store, hits: Sequence[Hit]) -> Iterator[tuple[Hit, dict[str, Any]]]:
    """The hits whose page has a row of its own, with that row."""
    rows = store.page_rows(list(dict.fromkeys(doc_id(hit.source_uri) for hit in hits)))
    by_id = {row["id"]: row for row in rows}
    by_page = {(row["doc_id"], row["page"]): row for row in rows}
    for hit in hits:
        key = doc_id(hit.source_uri), hit.page
        row = by_id.get(hit.id) if hit.modality == "page" else by_page.get(key) if hit.bbox else None
        if row is not None and row["asset_id"] and row["bbox"]:
            yield hit, row


def _picture(picture: Image.Image, hit: Hit, row: dict[str, Any], answer: Answer) -> Image.Image:
    boxes: list[Box] = [region.bbox for region in hit.boxes]
    if hit.modality != "page" and hit.bbox is not None:
        boxes = [hit.bbox]
    return drawn(picture, (row["bbox"][2], row["bbox"][3]), boxes, answer.maps.get(hit.id))


def _stem(uri: str) -> str:
    """The source's name as letters, digits, dots and dashes, which no file system and no shell takes amiss.

    >>> _stem("file:///tmp/Report%20(1).pdf")
    'Report-1'
    """
    name = unquote(uri.rstrip("/").rsplit("/", 1)[-1])
    return re.sub(r"[^\w.]+", "-", name.rsplit(".", 1)[0] or name)[:STEM].strip("-.") or "page"


def _write(picture: Image.Image, path: Path) -> None:
    """All of the file or nothing of it."""
    part = path.with_name(f".{path.name}.part")
    try:
        picture.save(part, "JPEG", quality=QUALITY)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from error
