"""Parsers that do what hostile documents make real ones do; parse workers import them by name."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.errors import Unreadable
from pipeline.parse import ParseOptions
from pipeline.types import Attachment, Blob, Event, Info, Page, Part, Picture, Route, Signals

TEXT = Route("text", "test")


def misbehave(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """Five pages; the blob's name says what happens on which, such as `segfault@3` or `hang@2,exit@4`."""
    trouble = dict(step.split("@")[::-1] for step in blob.name.split(",") if "@" in step)
    yield Info(title=blob.name, page_count=5)
    for number in range(1, 6):
        if number >= options.first_page:
            if str(number) in trouble:
                DEEDS[trouble[str(number)]]()
            yield page(number, f"page {number}")
    if "end" in trouble:
        DEEDS[trouble["end"]]()


def crash_on_even_pages(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """Twenty pages."""
    yield Info(page_count=20)
    for number in range(options.first_page, 21):
        if number % 2 == 0:
            ctypes.string_at(0)
        yield page(number, f"page {number}")


FULL: list[bytearray] = []


def leave_full(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """Takes 600 MB and keeps them, as a leaking library does."""
    FULL.append(bytearray(600 << 20))
    yield page(1, "page 1")


def decide(signals: Signals) -> Route:
    return TEXT


def page(number: int | None, text: str) -> Page:
    return Page(number, TEXT, parts=(Part("text", text),))


def hang() -> None:
    ctypes.PyDLL(None).sleep(100)  # holds the interpreter's lock, as a hung native parser may


def hog() -> None:
    hoard = []
    while True:
        hoard.append(np.empty(64 << 20, dtype=np.uint8))  # untouched: address space, and no time


def bug() -> None:
    raise KeyError("no such thing")


def unreadable() -> None:
    raise Unreadable("broken.pdf: damaged; export it again")


DEEDS = {
    "segfault": lambda: ctypes.string_at(0),
    "hang": hang,
    "hog": hog,
    "exit": lambda: os._exit(9),
    "leave": lambda: sys.exit("enough"),
    "bug": bug,
    "unreadable": unreadable,
}


def flood(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """Endless pages, each with a lot of noise on stdout and stderr."""
    number = 0
    while True:
        number += 1
        os.write(1, b"x" * 100_000)
        os.write(2, b"x" * 100_000)
        yield page(number, "y" * 100_000)


def escape(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """Names a file outside of its directory as an attachment."""
    yield Attachment("passwd", Path("/etc/passwd"))


def half_a_line(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """Dies while it writes its second page."""
    yield page(1, "whole")
    with (work_dir / "events.jsonl").open("ab") as spool:
        spool.write(b'Page {"number": 2, "rou')
    if options.first_page <= 2:
        ctypes.string_at(0)


def attach(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """An attachment first, then two pages, the first of which crashes."""
    target = work_dir / "inner.txt"
    target.write_text("inner")
    yield Attachment("inner.txt", target)
    if options.first_page <= 1:
        ctypes.string_at(0)
    picture = work_dir / "picture.png"
    picture.write_bytes(b"")
    yield Page(2, TEXT, pictures=(Picture(picture, 1, 1),))


def look_around(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """Tells of its surroundings: the environment and what the network allows."""
    yield Info(metadata=dict(os.environ) | {"proc": Path("/proc/self/environ").read_bytes().decode()})
    host, port = blob.name.split(":")
    for attempt in (lambda: socket.create_connection((host, int(port)), 2), lambda: raw_connect(host, int(port))):
        try:
            attempt()
            yield page(None, "connected")
        except OSError as error:
            yield page(None, f"refused: {error}")
    left, right = socket.socketpair()
    left.sendall(b"local sockets work")
    yield page(None, right.recv(100).decode())


def raw_connect(host: str, port: int) -> None:
    """By libc, past everything that Python could forbid."""
    libc = ctypes.CDLL(None, use_errno=True)
    address = (2).to_bytes(2, sys.byteorder) + port.to_bytes(2, "big") + socket.inet_aton(host) + bytes(8)
    if libc.connect(libc.socket(2, 1, 0), address, len(address)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def count_pid(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """One page with the worker's process id; waits if the blob's name says for how long."""
    yield page(None, str(os.getpid()))
    time.sleep(float(blob.name))
