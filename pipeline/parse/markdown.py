"""Markdown: headings with level, lists, code, tables kept whole, and pictures from the file's own folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import to_failure
from pipeline.parse import ParseOptions
from pipeline.parse.embedded_picture import PictureWriter
from pipeline.parse.html import read_html
from pipeline.parse.html_pictures import Load, beside, load_picture
from pipeline.parse.markdown_table import table_parts
from pipeline.parse.slices import slices
from pipeline.parse.text import TextReader
from pipeline.types import Blob, Event, Info, Part, Picture

if TYPE_CHECKING:
    from markdown_it.token import Token

NESTING = 100  # of lists and quotes; text that goes deeper is taken as paragraphs
BLANK = re.compile(r"\n[ \t]*\n")
FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*\n", re.S)
PAIR = re.compile(r"^([A-Za-z][\w-]*):(.+)$", re.M)
META = ("language", "lang", "date", "description", "keywords", "tags")
CHUNK_CHARS = 1_000_000  # markdown-it holds about 50 times the text it parses


def parse(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """`Info`, then pages without number; a `Failure` last if `limits.text_mb` cut it. Raises `Unreadable`."""
    reader = TextReader(blob, options.limits.text_mb)
    chunks = _chunks(reader.lines())
    first = next(chunks, "")
    front = FRONT_MATTER.match(first)
    pairs = {key.lower(): value.strip().strip("\"'") for key, value in PAIR.findall(front[1])} if front else {}
    first = first[front.end() :] if front else first
    writer = PictureWriter(work_dir, options.limits)
    pieces = [*_pieces(first, blob, writer)]
    title = pairs.get("title") or next((p.text for p in pieces if isinstance(p, Part) and p.kind == "heading"), "")
    metadata = {key: pairs[key][:1000] for key in META if key in pairs}
    yield Info(title[:500], pairs.get("author", ""), metadata=metadata)
    yield from slices(pieces)
    for chunk in chunks:
        yield from slices(_pieces(chunk, blob, writer))
    yield from writer.left_out()
    if reader.cut:
        yield to_failure(reader.error(), "parse", 1)


def _chunks(lines: Iterator[str]) -> Iterator[str]:
    """Text in pieces of about a million characters, torn at blank lines outside code fences."""
    chunk: list[str] = []
    size, fence = 0, ""
    for line in lines:
        line = line.replace("\r\n", "\n").replace("\r", "\n")
        mark = line.lstrip()[:3]
        if mark in ("```", "~~~") and (not fence or mark == fence):
            fence = "" if fence else mark
        chunk.append(line)
        size += len(line)
        if size > CHUNK_CHARS and ((not line.strip() and not fence) or size > 2 * CHUNK_CHARS):
            yield "".join(chunk)
            chunk, size = [], 0
    if chunk:
        yield "".join(chunk)


def _pieces(text: str, blob: Blob, writer: PictureWriter) -> Iterator[Part | Picture]:
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark", {"maxNesting": NESTING}).enable(["table", "strikethrough"]).parse(text)
    if any(token.level >= NESTING - 1 for token in tokens):  # the library drops all that is behind such a list
        yield from (Part("text", block.strip()) for block in BLANK.split(text) if block.strip())
        return
    load = beside(blob.path)
    heading, in_list = 0, 0
    rows: list[list[str]] | None = None
    near = ""
    for token in tokens:
        if token.type == "table_open":
            rows = []
        elif token.type == "table_close":
            yield from table_parts(rows or [])
            rows = None
        elif token.type == "tr_open" and rows is not None:
            rows.append([])
        elif token.type in ("heading_open", "heading_close"):
            heading = int(token.tag[1]) if token.nesting == 1 else 0
        elif token.type in ("list_item_open", "list_item_close"):
            in_list += token.nesting
        elif token.type in ("fence", "code_block") and token.content.strip():
            yield Part("code", token.content.rstrip("\n"))
        elif token.type == "html_block":
            _, parts, pictures = read_html(token.content, load, writer, whole=True)
            yield from pictures
            yield from parts
        elif token.type == "inline":
            words = _words(token)
            near = words or near
            if rows:
                rows[-1].append(words)
            elif words:
                kind = "heading" if heading else "list" if in_list else "text"
                yield Part(kind, " ".join(words.split()) if heading else words, level=heading)  # type: ignore[arg-type]
            yield from _pictures(token, near, load, writer)


def _words(token: Token) -> str:
    """The text a reader sees: alt texts count, tags and link addresses do not."""
    out: list[str] = []
    for child in token.children or []:
        if child.type in ("softbreak", "hardbreak"):
            out.append("\n")
        elif child.type == "html_inline":
            out.append(" " if child.content.lower().startswith("<br") else "")
        else:
            out.append(child.content)
    return "".join(out).strip()


def _pictures(token: Token, near: str, load: Load, writer: PictureWriter) -> Iterator[Picture]:
    for child in token.children or []:
        if child.type == "image":
            caption = f"{child.content} {child.attrGet('title') or ''}"
            data = load_picture(str(child.attrGet("src") or ""), load)
            picture = writer.write(data, caption, near) if data else None
            if picture is not None:
                yield picture
