"""Drawings: what they show is drawn, what they name outside of themselves is not read, and none costs too much."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from PIL import Image

from pipeline.parse.svg import is_svg, rasterise

LINKS = "xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink'"


def svg(body: str, size: str = "width='200' height='100'") -> bytes:
    return f"<?xml version='1.0'?><svg {LINKS} {size}>{body}</svg>".encode()


def colour(data: bytes, x: int = 20, y: int = 20) -> tuple[int, ...] | None:
    """The colour at a point of the drawing, in pixels of 1,024."""
    drawn = rasterise(data)
    if drawn is None:
        return None
    pixel = Image.open(io.BytesIO(drawn)).convert("RGBA").getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel


def test_a_drawing_is_drawn() -> None:
    """Shapes, gradients by reference and pictures inside the document are there, at a useful size."""
    gradient = "<linearGradient id='g'><stop stop-color='lime'/></linearGradient>"
    gradient += "<rect width='200' height='99' fill='url(#g)'/>"
    drawn = rasterise(svg(gradient))

    assert drawn is not None
    assert Image.open(io.BytesIO(drawn)).size == (1024, 512)
    assert colour(svg(gradient)) == (0, 255, 0, 255)
    assert colour(svg("<defs><rect id='r' width='90' height='90' fill='red'/></defs><use href='#r'/>")) == (
        255,
        0,
        0,
        255,
    )


@pytest.mark.parametrize("address", ["{path}", "file://{path}", "{name}", "../{folder}/{name}"])
@pytest.mark.parametrize("attribute", ["href", "xlink:href"])
def test_nothing_is_read_from_outside(
    address: str, attribute: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drawing cannot show files of this machine."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "secret.png"
    Image.new("RGB", (50, 50), "green").save(path)
    named = address.format(path=path, name=path.name, folder=tmp_path.name)

    assert colour(svg(f"<image {attribute}='{named}' width='200' height='100'/>")) == (0, 0, 0, 0)


def test_entities_and_styles_open_nothing(tmp_path: Path) -> None:
    """External entities, style sheets and fonts are not followed."""
    secret = tmp_path / "secret.txt"
    secret.write_text("red")
    rect = "<rect width='99' height='99'/>"
    entity = f"<!DOCTYPE svg [<!ENTITY c SYSTEM '{secret}'>]><svg {LINKS} width='99' height='99'>&c;{rect}</svg>"
    style = f"<style>@import url({secret.as_uri()}); rect {{ fill: url({secret.as_uri()}) }}</style>{rect}"

    assert colour(entity.encode()) in (None, (0, 0, 0, 255))
    assert colour(svg(style)) in (None, (0, 0, 0, 0), (0, 0, 0, 255))


BOMB = "".join(f"<g id='g{n}'>" + f"<use href='#g{n - 1}'/>" * 10 + "</g>" for n in range(1, 12))


@pytest.mark.parametrize(
    "body",
    [
        f"<g id='g0'><rect width='9' height='9'/></g>{BOMB}<use href='#g11'/>",
        "<g id='a'><use href='#b'/></g><g id='b'><use href='#a'/></g>",
        "<g>" * 3000 + "</g>" * 3000,
        "<filter id='f'>"
        + "<feTurbulence baseFrequency='9' numOctaves='99'/>" * 500
        + "</filter><rect filter='url(#f)'/>",
        "<rect/>" * 30_000,
    ],
    ids=["use-bomb", "circle", "deep", "filters", "many"],
)
def test_what_would_cost_too_much_is_refused(body: str) -> None:
    """References that multiply, circles, depth, filters and sheer number."""
    started = time.monotonic()

    assert rasterise(svg(body)) is None
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("data", [b"<html><svg></svg></html>", b"", b"\x89PNG", b"<svgx>", b"plain"])
def test_other_things_are_no_drawings(data: bytes) -> None:
    """Only a document whose root is `svg` is one."""
    assert not is_svg(data)


@pytest.mark.parametrize("size", ["width='10000' height='60'", "width='24' height='24'", "viewBox='0 0 24 24'"])
def test_icons_and_rules_are_no_drawings(size: str) -> None:
    """What is small, or a line, decorates."""
    assert rasterise(svg("<rect width='9' height='9'/>", size)) is None
