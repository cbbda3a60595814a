"""Plain text: paragraphs, read lazily, never the whole file at once."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import LimitExceeded, Unreadable, to_failure
from pipeline.parse import ParseOptions
from pipeline.parse.charset import SAMPLE_BYTES, sniff
from pipeline.parse.slices import slices
from pipeline.types import Blob, Event, Info, Part

BLOCK_BYTES = 1 << 18
PARAGRAPH_CHARS = 20_000  # a longer one, as in a file without blank lines, becomes several parts


def parse(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:  # noqa: ARG001
    """`Info`, then pages without number; a `Failure` last if `limits.text_mb` cut it. Raises `Unreadable`."""
    reader = TextReader(blob, options.limits.text_mb)
    yield Info()
    yield from slices(_paragraphs(reader.lines()))
    if reader.cut:
        yield to_failure(reader.error(), "parse", 1)


class TextReader:
    """Lines of a text file of unknown encoding, up to a limit."""

    def __init__(self, blob: Blob, most_mb: int) -> None:
        """Raises `Unreadable` for an empty file and for one that is no text."""
        with blob.path.open("rb") as file:
            sample = file.read(SAMPLE_BYTES)
        if not sample.strip():
            raise Unreadable(f"{blob.name}: is empty")
        self._blob = blob
        self._most_bytes = most_mb * 1024 * 1024
        self.encoding = sniff(sample)
        if _is_binary(sample, self.encoding):
            raise Unreadable(f"{blob.name}: is not text (it is full of control bytes); check what kind of file it is")
        self.cut = False

    def lines(self) -> Iterator[str]:
        """Lines with their ends; a line of more than 256 kB comes in pieces."""
        rest = ""
        for text in self._blocks():
            *whole, rest = (rest + text).splitlines(keepends=True) or [""]
            yield from whole
            if len(rest) > BLOCK_BYTES:
                yield rest
                rest = ""
        if rest:
            yield rest

    def error(self) -> LimitExceeded:
        most = self._most_bytes // 1024 // 1024
        return LimitExceeded(f"{self._blob.name}: text after the first {most} MB is left out; raise limits.text_mb")

    def _blocks(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        read = 0
        with self._blob.path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                read += len(block)
                if read > self._most_bytes:
                    self.cut = True
                    block = block[: len(block) - (read - self._most_bytes)]
                text = decoder.decode(block, final=self.cut).replace("\0", "")
                yield text.removeprefix("\ufeff") if read <= BLOCK_BYTES else text
                if self.cut:
                    return
        yield decoder.decode(b"", final=True)


def _is_binary(sample: bytes, encoding: str) -> bool:
    """More control characters than any text holds."""
    text = sample.decode(encoding, "replace")
    odd = sum(ch < " " and ch not in "\t\n\r\f\x1b\x08" for ch in text) + text.count("\ufffd")
    return odd > 0.05 * len(text)


def _paragraphs(lines: Iterator[str]) -> Iterator[Part]:
    """Blocks of lines between blank ones, line breaks kept."""
    block: list[str] = []
    size = 0
    for line in lines:
        if line.strip():
            block.append(line)
            size += len(line)
        if block and (not line.strip() or size > PARAGRAPH_CHARS):
            yield Part("text", "".join(block).strip("\r\n"))
            block, size = [], 0
    if block:
        yield Part("text", "".join(block).strip("\r\n"))
