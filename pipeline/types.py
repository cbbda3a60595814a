"""The values that travel between stages. No I/O and no library of any stage in here.

    Found -> Blob -> Info, Page, Attachment, Failure -> Passage, Picture, PageImage -> Row        Hit

Boxes are (x0, y0, x1, y1) in page points (1/72 inch) with the origin at the top left of the page as it is
displayed, after rotation; for a standalone picture one pixel is one point. Pages count from 1.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Modality = Literal["text", "image", "page"]
Stage = Literal["discover", "fetch", "parse", "route", "chunk", "embed", "store"]
State = Literal["indexed", "skipped", "quarantined", "deleted"]
Box = tuple[float, float, float, float]
Vectors = npt.NDArray[np.float32]  # always (n, dim), rows of unit length
TokenVectors = npt.NDArray[np.float16]  # one page's multi-vector, (vectors, dim), rows of unit length


# discover and fetch -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """A source as it was listed. `revision` is opaque (size and mtime, an ETag) and only ever compared."""

    uri: str
    revision: str
    size_bytes: int
    modified_at: dt.datetime | None
    path: Path | None = None  # where its bytes already are, for a local source
    skip: str | None = None  # why it will not be read, when it will not
    sha256: str | None = None  # what its bytes must be, if a plan said so; "" if they could not be read then
    pinned: bool = False  # a plan said that only this revision may be read
    failure: Failure | None = None  # why its bytes could not be had when they were looked for


@dataclass(frozen=True, slots=True)
class Blob:
    """A source's bytes, on local disk, with what they were sniffed to be."""

    uri: str
    path: Path
    sha256: str
    size_bytes: int
    media_type: str
    name: str  # file name for people and for picture context
    parent: str | None = None  # source_uri of the mail or PDF this was attached to
    depth: int = 0  # attachments inside attachments
    modified_at: dt.datetime | None = None
    charset: str = ""  # what a server said of its encoding
    metadata: Mapping[str, str] = field(default_factory=dict)  # what is known of it beside its bytes


# parse and route --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PageSignals:
    """What the router knows of one PDF page or slide; definitions are in `docs/routing.md`."""

    chars: int = 0  # non-space characters of the text layer
    bad: float = 0.0  # share of unmapped, private-use, control characters
    coverage: float = 0.0  # union of image boxes, share of the page
    biggest: float = 0.0  # largest single image, share of the page
    invisible: float = 0.0  # share of the characters that are drawn invisibly (an OCR layer)
    drawings: int = 0  # vector drawings
    figure: float = 0.0  # largest text-poor cluster of drawings, share of the page
    gibberish: float = 0.0  # 0..1, how little the letters look like words of any language
    readable: bool = True  # the page could be read at all


@dataclass(frozen=True, slots=True)
class PictureSignals:
    """What the router knows of a standalone picture (or one frame of it)."""

    width_px: int = 0
    height_px: int = 0
    paper: float = 0.0  # share of pixels close to one light, even background colour
    ink: float = 0.0  # share of dark or coloured strokes on that background
    colourful: float = 0.0  # 0..1, spread of saturation and hue
    lines: float = 0.0  # 0..1, how much the ink is arranged in lines of text


Signals = PageSignals | PictureSignals


@dataclass(frozen=True, slots=True)
class Route:
    """Where a page or picture goes.

    `text`: its passages only. `page`: the whole page picture to late interaction. `both`: passages and page.
    `image`: a picture to the unified embedder. A picture that may be a page as well is `both`.
    """

    path: Literal["text", "image", "page", "both"]
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """One block of text in reading order."""

    kind: Literal["text", "heading", "list", "table", "code", "caption", "form", "note"]
    text: str  # Markdown for a table, one row a line; plain text otherwise
    bbox: Box | None = None
    level: int = 0  # 1..6 for a heading
    lines: tuple[tuple[str, Box], ...] = ()  # for pages that are routed to `page` or `both`: text lines with boxes


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture found on a page, re-encoded by the parse worker (PNG or JPEG) so that it is safe to decode."""

    path: Path
    width_px: int
    height_px: int
    bbox: Box | None = None
    caption: str = ""  # text that belongs to it: alt text, figure caption, file title
    context: str = ""  # text that only stands near it


@dataclass(frozen=True, slots=True)
class PageImage:
    """The rendered page (PNG or JPEG), written only when the route asks for it."""

    path: Path
    width_px: int
    height_px: int
    width_pt: float
    height_pt: float


@dataclass(frozen=True, slots=True)
class Page:
    """One page, slide, sheet or frame; `number` is None where the format has no pages."""

    number: int | None
    route: Route
    signals: Signals | None = None
    label: str = ""  # the page's printed number, where it differs ("iv", "A-3")
    parts: tuple[Part, ...] = ()
    pictures: tuple[Picture, ...] = ()
    image: PageImage | None = None


@dataclass(frozen=True, slots=True)
class Info:
    """What a document says of itself; a parser yields it first, and may yield it again once it knows more."""

    title: str = ""
    author: str = ""
    page_count: int | None = None
    outline: tuple[tuple[int, str, int], ...] = ()  # (level, title, page)
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside a file, its bytes written to `path`; it becomes a document of its own."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Failure:
    """An expected error as a value: of a whole document, or of one page when `page` is set."""

    stage: Stage
    error: str  # class of the error, such as "PasswordNeeded"
    message: str  # one line: the item, what was found, what to do next
    page: int | None = None
    transient: bool = False


Event = Info | Page | Attachment | Failure  # what a parser yields, in document order


@dataclass(frozen=True, slots=True)
class Prepared:
    """One document after the parse workers: its events on disk, or the failure or the skip that kept it from there."""

    blob: Blob
    revision: str = ""
    spool: Path | None = None
    failure: Failure | None = None
    skip: str = ""
    seconds: float = 0.0
    attempts: int = 1  # within this run


# chunk and embed --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text that fits the embedder's budget; `token_count` is by the embedder's own tokenizer."""

    text: str
    token_count: int
    page: int | None = None
    bbox: Box | None = None
    headings: tuple[str, ...] = ()
    kind: Literal["prose", "table", "code"] = "prose"


@dataclass(frozen=True, slots=True)
class PictureInput:
    """A picture with its words, as the unified embedder takes it."""

    path: Path
    caption: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text on a page picture, from its text layer or from OCR."""

    text: str
    bbox: Box  # page points
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read on a page picture, in reading order; `note` is one line on what was left out, "" if nothing was."""

    lines: tuple[TextLine, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class PageInput:
    """A page picture as the page embedder takes it; `lines` is None when only OCR can tell its text."""

    image: PageImage
    lines: tuple[TextLine, ...] | None = None


@dataclass(frozen=True, slots=True)
class PageGrid:
    """Equal cells laid over the whole page, and which vector stands for each: where on the page a vector looks.

    `owner` is (rows, columns) int32: an index into the page's vectors, -1 for a cell that none of them stands for.
    After token pooling several cells have the same owner.
    """

    owner: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class PageEmbedding:
    """Late-interaction vectors of one page and the text that was read on it (reading order, lines joined by newlines).

    A model that reads words gives the `lines` (each one line of `text`), one that looks at the picture a `grid`.
    """

    vectors: TokenVectors  # (vectors, dim); (0, dim) for a page with nothing on it
    text: str
    lines: tuple[TextLine, ...] = ()
    grid: PageGrid | None = None
    token_count: int | None = None  # vectors it would have without pooling


@dataclass(frozen=True, slots=True)
class QueryTokens:
    """A query for late interaction: (tokens, dim) float32 unit rows and a weight for each.

    `own` (tokens,) is False for tokens that the model puts around a question: they count in MaxSim, but say nothing of
    where on a page the answer is. None is True for all.
    """

    vectors: Vectors
    weights: npt.NDArray[np.float32]
    own: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class ModelId:
    """What pins a model to a table; two tables mix only if all of it is equal."""

    name: str
    revision: str
    dim: int
    pooling: str  # "mean", "sequential-4", "none", ...
    prompt: str = ""  # what stands before questions and passages, or a name of such a scheme
    dtype: str = ""  # what the model computes in, where that is a choice

    def __str__(self) -> str:
        more = f" prompt={self.prompt!r}" * bool(self.prompt) + f" dtype={self.dtype}" * bool(self.dtype)
        return f"{self.name}@{self.revision} dim={self.dim} pooling={self.pooling}{more}"


# store and search -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One searchable row. The store adds what is the same for the whole document (`DocumentRecord`)."""

    modality: Modality
    ordinal: int  # counts from 0 within document and modality, in reading order
    text: str
    page: int | None = None
    bbox: Box | None = None
    headings: tuple[str, ...] = ()
    token_count: int | None = None
    vector: npt.NDArray[np.float32] | None = None  # (dim,)
    multivector: TokenVectors | None = None  # (vectors, dim)
    picture: Path | None = None  # picture or page thumbnail, to be kept in `assets`
    route: str = ""
    route_reason: str = ""
    route_signals: str = ""  # JSON
    layout: str = ""  # of a page: boxes of its text lines or the grid of its vectors, as `pipeline.layout` writes it


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """One row of the ledger: a source and what became of it."""

    source_uri: str
    doc_id: str
    state: State
    revision: str = ""
    content_sha256: str = ""
    size_bytes: int = 0
    media_type: str = ""
    title: str = ""
    recipe: str = ""
    parent: str | None = None
    text_rows: int = 0
    image_rows: int = 0
    page_rows: int = 0
    attempts: int = 0
    error: str = ""  # error class, or the reason's class for a skip
    stage: str = ""
    page: int | None = None
    message: str = ""
    transient: bool = False
    fingerprint: str = ""
    warnings: tuple[str, ...] = ()  # pages that are missing from an indexed document, one line each
    run_id: str = ""
    first_seen: dt.datetime | None = None
    last_seen: dt.datetime | None = None
    modified_at: dt.datetime | None = None
    seconds: float = 0.0  # of parsing
    metadata: Mapping[str, str] = field(default_factory=dict)
    by_hand: Literal["", "retry", "ignore"] = ""  # what a person decided about its failure
    embed_seconds: float = 0.0  # its share of the time that the models took


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a page that fits a query; scores order the regions of one page and compare with nothing else."""

    bbox: Box  # page points
    score: float


@dataclass(frozen=True, slots=True)
class Outline:
    """As much of a ledger record as tells, with a listing, whether anything is to be done."""

    source_uri: str
    state: State
    revision: str
    recipe: str = ""
    message: str = ""
    by_hand: str = ""


@dataclass(frozen=True, slots=True)
class Again:
    """A row that is left out of the hits because a better one shows the same."""

    id: str
    modality: Modality
    source_uri: str
    page: int | None


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result; `legs` says at which rank and with which score each leg found it.

    `also` are rows that show the same, best first: the page of a passage, the same text or figure in another place.
    Of a page `boxes` are the regions that fit the query best, best first, and `bbox` is the first of them, or the whole
    page where nothing tells its parts apart.
    """

    id: str
    rank: int
    score: float
    modality: Modality
    source_uri: str
    page: int | None
    bbox: Box | None
    text: str
    route: str
    legs: Mapping[str, Mapping[str, Any]]
    title: str = ""
    headings: tuple[str, ...] = ()
    boxes: tuple[Region, ...] = ()
    page_size: tuple[float, float] | None = None  # of a page: width and height in points
    also: tuple[Again, ...] = ()
