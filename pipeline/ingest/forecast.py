"""What a run will cost: from a sample of its documents and from what earlier runs took. Pure; estimates, all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import combinations, pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.types import DocumentRecord, Found

Matrix = npt.NDArray[np.float64]
CHARS_A_TOKEN = 4
PAGE_VECTORS, PAGE_CHARS, PICTURE_BYTES = 125, 2000, 60_000  # of one page or picture, before a store tells
ROUTES = ("text", "image", "page", "both")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of work and rows that come of it."""

    parse_s: float = 0.0
    embed_s: float = 0.0
    text: float = 0.0
    image: float = 0.0
    page: float = 0.0

    @property
    def rows(self) -> float:
        return self.text + self.image + self.page

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def times(self, factor: float) -> Cost:
        return Cost(*(getattr(self, f.name) * factor for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Load:
    """Documents of one media type; an attachment counts into what it is attached to."""

    documents: int = 0
    size_bytes: int = 0
    cost: Cost = field(default_factory=Cost)

    def __add__(self, other: Load) -> Load:
        return Load(self.documents + other.documents, self.size_bytes + other.size_bytes, self.cost + other.cost)


@dataclass(frozen=True, slots=True)
class Past:
    """What earlier runs took: documents by media type, and the models' seconds a text, image and page row."""

    loads: Mapping[str, Load] = field(default_factory=dict)
    row_s: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A document of a sample; it stands for `weight` documents of about its size."""

    found: Found
    media_type: str
    weight: int


@dataclass(frozen=True, slots=True)
class Sampled:
    """What came of parsing one of them; `pages` by route, `texts` are some of its paragraphs."""

    chosen: Chosen
    cost: Cost
    pages: Mapping[str, float]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowBytes:
    """Bytes of the store for one row."""

    text: float
    image: float
    page: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """`basis`: "past runs"; "sample" when there were none, and then the seconds are those of parsing alone."""

    pages: Mapping[str, int]
    seconds: float
    size_bytes: int
    sampled: int
    basis: Literal["past runs", "sample"]


def choose(work: Sequence[tuple[str, Found]], most: int) -> list[Chosen]:
    """At most `most` documents of (media type, source) pairs, spread over types and, within a type, over sizes.

    Every type has one place before any has two, while there are places (Sainte-Laguë).

    >>> files = [("a", Found(f"{n}", "", n, None)) for n in range(9)] + [("b", Found("x", "", 5, None))]
    >>> [(c.media_type, c.found.size_bytes, c.weight) for c in choose(files, 4)]
    [('a', 1, 3), ('a', 4, 3), ('a', 7, 3), ('b', 5, 1)]
    """
    by_type: dict[str, list[Found]] = {}
    for media_type, found in work:
        by_type.setdefault(media_type, []).append(found)
    places = dict.fromkeys(by_type, 0)
    for _ in range(min(most, len(work))):
        free = [kind for kind in by_type if places[kind] < len(by_type[kind])]
        empty = [kind for kind in free if not places[kind]]
        places[max(empty or free, key=lambda kind: len(by_type[kind]) / (2 * places[kind] + 1))] += 1
    return [
        chosen
        for kind, documents in by_type.items()
        if places[kind]
        for chosen in _spread(kind, sorted(documents, key=lambda found: found.size_bytes), places[kind])
    ]


def learn(records: Iterable[DocumentRecord]) -> Past:
    """What documents took in earlier runs, from the ledger in order of `source_uri`."""
    loads: dict[str, Load] = {}
    products, targets, total = np.zeros((3, 3)), np.zeros(3), Cost()
    source: DocumentRecord | None = None
    for record in records:
        cost = Cost(record.seconds, record.embed_seconds, record.text_rows, record.image_rows, record.page_rows)
        timed = record.seconds > 0 and (cost.embed_s > 0 or not cost.rows)  # older docmills noted only the first
        if record.state == "deleted" or not timed:
            continue
        if record.parent is None:
            source = record
            load = Load(1, record.size_bytes, cost)
        elif source is not None and record.source_uri.startswith(source.source_uri + "!/"):
            load = Load(cost=cost)
        else:
            continue
        loads[source.media_type] = loads.get(source.media_type, Load()) + load
        if record.state == "indexed":
            rows = np.array([cost.text, cost.image, cost.page])
            products, targets = products + np.outer(rows, rows), targets + rows * cost.embed_s
            total += cost
    return Past(loads, _as_in_all(_fitted(products, targets), total))


def row_bytes(unified_dim: int, page_dim: int, chunk_tokens: int) -> RowBytes:
    """Bytes of a row by its vectors and text, where no store tells better."""
    vector = 4 * unified_dim
    page = vector + 2 * page_dim * PAGE_VECTORS + PAGE_CHARS
    return RowBytes(vector + CHARS_A_TOKEN * chunk_tokens, vector + PICTURE_BYTES, page + PICTURE_BYTES)


def calibrated(plain: RowBytes, rows: Mapping[str, int], corpus_bytes: int, asset_bytes: int) -> RowBytes:
    """The same for a store that holds `rows` in so many bytes, indexes included.

    >>> calibrated(RowBytes(100, 60_100, 60_200), {"text": 10, "image": 0, "page": 0}, 2000, 0)
    RowBytes(text=200.0, image=60200.0, page=60400.0)
    """
    bare = RowBytes(plain.text, plain.image - PICTURE_BYTES, plain.page - PICTURE_BYTES)
    expected = rows["text"] * bare.text + rows["image"] * bare.image + rows["page"] * bare.page
    scale = corpus_bytes / expected if expected else 1.0
    pictured = rows["image"] + rows["page"]
    picture = asset_bytes / pictured if pictured else PICTURE_BYTES
    return RowBytes(bare.text * scale, bare.image * scale + picture, bare.page * scale + picture)


def forecast(
    work: Mapping[str, Load], sample: Sequence[Sampled], past: Past, sizes: RowBytes, workers: int
) -> Forecast:
    """What `work`, by media type, will take. Pages and rows are those of the sample, each document counted for those
    that it stands for. Embedding takes what such rows took in past runs; parsing what the sample took, or what the type
    took in past runs if that is less, because both contain starts of workers. Parsing goes on in `workers` processes
    beside embedding."""
    cost = Cost()
    for media_type, load in work.items():
        mine = [one for one in sample if one.chosen.media_type == media_type]
        guess = sum((one.cost.times(one.chosen.weight) for one in mine), Cost())
        known = past.loads.get(media_type, Load())
        if known.documents:
            guess = replace(guess, parse_s=min(guess.parse_s, known.cost.parse_s * _scale(media_type, load, known)))
        cost += guess
    embed_s = sum(rows * row_s for rows, row_s in zip((cost.text, cost.image, cost.page), past.row_s, strict=True))
    pages = {route: round(sum(s.pages.get(route, 0) * s.chosen.weight for s in sample)) for route in ROUTES}
    return Forecast(
        pages,
        round(max(cost.parse_s / workers, embed_s), 1),
        round(cost.text * sizes.text + cost.image * sizes.image + cost.page * sizes.page),
        len(sample),
        "past runs" if past.loads else "sample",
    )


def count_types(work: Iterable[tuple[str, Found]]) -> dict[str, Load]:
    """Documents and bytes by media type, the most frequent type first."""
    loads: dict[str, Load] = {}
    for media_type, found in work:
        loads[media_type] = loads.get(media_type, Load()) + Load(1, found.size_bytes)
    order = Counter({media_type: load.documents for media_type, load in loads.items()})
    return {media_type: loads[media_type] for media_type, _ in order.most_common()}


def _spread(media_type: str, documents: Sequence[Found], places: int) -> list[Chosen]:
    """The middle one of each of `places` equal parts."""
    edges = [len(documents) * place // places for place in range(places + 1)]
    parts = pairwise(edges)
    return [Chosen(documents[(start + end) // 2], media_type, end - start) for start, end in parts]


def _scale(media_type: str, load: Load, known: Load) -> float:
    """A picture costs by the piece, everything else by its bytes."""
    if media_type.startswith("image/") or not known.size_bytes:
        return load.documents / known.documents
    return load.size_bytes / known.size_bytes


def _as_in_all(rates: Matrix, total: Cost) -> tuple[float, float, float]:
    """The rates (3,) raised or lowered together, so that all past rows took what all of them did: a fit by squares
    follows the few largest documents."""
    fitted = float(rates @ np.array([total.text, total.image, total.page]))
    text, image, page = (rates * (total.embed_s / fitted if fitted else 1.0)).tolist()
    return text, image, page


def _fitted(products: Matrix, targets: Matrix) -> Matrix:
    """Seconds a text, image and page row: least squares of which none is negative. `products` is (3, 3), the sum of the
    outer products of rows, `targets` (3,) that of rows times seconds. A kind of row that was never there costs what the
    dearest known one does."""
    best, best_loss = np.zeros(3), 0.0
    there = [kind for kind in range(3) if products[kind, kind] > 0]
    for size in range(1, len(there) + 1):
        for kinds in map(list, combinations(there, size)):
            rates = np.zeros(3)
            rates[kinds] = np.linalg.lstsq(products[np.ix_(kinds, kinds)], targets[kinds], rcond=None)[0]
            loss = float(rates @ products @ rates - 2 * targets @ rates)
            if loss < best_loss and rates.min() >= 0:
                best, best_loss = rates, loss
    best[[kind for kind in range(3) if kind not in there]] = best.max()
    return best
