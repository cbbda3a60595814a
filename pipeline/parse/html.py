"""Web pages: main text, tables, local pictures, what the page says of itself. Follows no address outside its folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import LimitExceeded, Unreadable
from pipeline.parse import ParseOptions
from pipeline.parse.embedded_picture import PictureWriter
from pipeline.parse.html_blocks import read_blocks
from pipeline.parse.html_main import main_content, visible_text
from pipeline.parse.html_pictures import SCREENSHOT, Load, beside, fetched, read_pictures
from pipeline.parse.html_tree import page_info, page_text, parse_page
from pipeline.parse.slices import slices
from pipeline.types import Attachment, Blob, Event, Info, Part, Picture


def parse(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """`Info`, then pages without number. Raises `Unreadable` for an empty page, `LimitExceeded` for a huge one."""
    if blob.size_bytes > 2 * options.limits.text_mb * 1024 * 1024:
        raise LimitExceeded(
            f"{blob.name}: {blob.size_bytes} bytes of HTML are too many; raise limits.text_mb to read it"
        )
    data = blob.path.read_bytes()
    if data.lstrip()[:5] == b"%PDF-":
        raise Unreadable(f"{blob.name}: is a PDF, not a web page; give it the right name and ingest it again")
    writer = PictureWriter(work_dir, options.limits)
    from_web = blob.uri.startswith(("http://", "https://"))
    load = fetched(blob.path) if from_web else beside(blob.path)
    info, parts, pictures = read_html(page_text(data, blob.charset), load, writer)
    yield info
    if not parts and not pictures:
        raise Unreadable(f"{blob.name}: holds no text; check that the file is complete")
    yield from slices([*pictures, *parts])
    yield from writer.left_out()
    if from_web:
        for path in sorted(blob.path.parent.glob(f"{SCREENSHOT}-*.png")):
            yield Attachment(path.name, Path(shutil.copy(path, work_dir)))


def read_html(
    data: bytes | str, load: Load, writer: PictureWriter, whole: bool = False
) -> tuple[Info, list[Part], list[Picture]]:
    """What a page says of itself, its parts and its pictures; `whole` keeps everything, as in a mail or a book."""
    root = parse_page(data)
    if root is None:
        return Info(), [], []
    info = page_info(root)
    content = main_content(root, whole)
    if not whole and not visible_text(content):  # all of it looked like boilerplate
        return read_html(data, load, writer, whole=True)
    pictures = list(read_pictures(content, load, writer))
    parts = read_blocks(content)
    if info.title and not whole and not any(part.kind == "heading" and part.level == 1 for part in parts):
        parts.insert(0, Part("heading", info.title, level=1))
    return info, parts, pictures
