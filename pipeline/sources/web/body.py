"""The body of an answer, decoded piece by piece within limits. What was not asked for is refused, not guessed."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from pipeline.errors import LimitExceeded, Transient, Unreadable

PIECE = 1 << 16
FREE_BYTES = 10_000_000  # a small page may be packed as well as it likes
ENCODINGS = "gzip, deflate"  # what requests ask for


def decoded(raw: Iterable[bytes], encoding: str, most_bytes: float, ratio: int, name: str) -> Iterator[bytes]:
    """Pieces of at most 64 kB. Raises `LimitExceeded` for more than `most_bytes`, or more than `ratio` times what was
    received once it is large, `Unreadable` for another encoding, `Transient` for a body that ends too soon."""
    size = received = 0
    for packed, pieces in _pieces(raw, encoding.strip().lower(), name):
        received += packed
        for piece in pieces:
            size += len(piece)
            if size > most_bytes:
                raise LimitExceeded(f"{name}: more than {most_bytes / 1e6:g} MB (web.size_mb)")
            if size > FREE_BYTES and size > ratio * received:
                raise LimitExceeded(f"{name}: unpacks to more than {ratio} times its size (limits.archive_ratio)")
            yield piece


def _pieces(raw: Iterable[bytes], encoding: str, name: str) -> Iterator[tuple[int, Iterable[bytes]]]:
    """(bytes received, what they unpack to, lazily)."""
    if encoding in ("", "identity"):
        for data in raw:
            yield len(data), (data[at : at + PIECE] for at in range(0, len(data), PIECE))
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Unreadable(f"{name}: sent as '{encoding[:40]}', which was not asked for")
    unpacker = _Unpacker(encoding, name)
    for data in raw:
        yield len(data), unpacker.feed(data)
    unpacker.end()


class _Unpacker:
    def __init__(self, encoding: str, name: str) -> None:
        self._name, self._raw_deflate = name, encoding == "deflate"
        self._stream = zlib.decompressobj(wbits=47)  # gzip or zlib, by its header
        self._members = 0  # that are whole

    def feed(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._stream.eof:
                if not data:
                    return
                self._members += 1
                self._stream = zlib.decompressobj(wbits=47)
            try:
                piece = self._stream.decompress(data, PIECE)
            except zlib.error as error:
                if self._members:
                    return  # rubbish behind a whole member
                if not self._raw_deflate:
                    raise Unreadable(f"{self._name}: sent as packed, but cannot be unpacked ({error})") from error
                self._raw_deflate = False  # what some servers call deflate has no header
                self._stream = zlib.decompressobj(wbits=-15)
                continue
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            if piece:
                yield piece
            if not data and len(piece) < PIECE:
                return

    def end(self) -> None:
        if not self._stream.eof and not self._members:
            raise Transient(f"{self._name}: ended before it was whole; the next run will try again")
