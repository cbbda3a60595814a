"""A sample of a run's documents, parsed in the sandbox to see what is in them. Leaves nothing behind."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from math import ceil
from pathlib import Path

from pipeline.config import Settings
from pipeline.ingest.forecast import CHARS_A_TOKEN, Chosen, Cost, Sampled
from pipeline.ingest.prepare import Preparer
from pipeline.parse.spool import read
from pipeline.types import Info, Page, Prepared

TEXTS, PARAGRAPH = 20, 60  # paragraphs kept of a document, of so many characters at least
SAMPLE_S = 20.0  # seconds that one document may take


def parse_sample(settings: Settings, chosen: Sequence[Chosen]) -> list[Sampled]:
    """Each chosen document parsed as a run would, with less patience."""
    most = {name: min(SAMPLE_S, getattr(settings.limits, name)) for name in ("document_s", "page_s")}
    hasty = settings.model_copy(update={"limits": settings.limits.model_copy(update=most)})
    sampled = []
    with (
        tempfile.TemporaryDirectory(prefix="docmill-plan-") as folder,
        closing(Preparer(hasty, Path(folder) / "work")) as preparer,
    ):
        prepared = preparer.prepare([item.found for item in chosen]) if chosen else []
        for item in chosen:
            uri = item.found.uri
            mine = [one for one in prepared if one.blob.uri == uri or one.blob.uri.startswith(uri + "!/")]
            results = [_measured(one, settings.chunks.tokens) for one in mine]
            pages = sum((Counter(pages) for _, pages in results), Counter[str]())
            texts = tuple(islice((text for one in mine for text in _texts(one)), TEXTS))
            sampled.append(Sampled(item, sum((cost for cost, _ in results), Cost()), pages, texts))
    return sampled


def _texts(item: Prepared) -> Iterator[str]:
    for event in read(item.spool) if item.spool else ():
        if isinstance(event, Page):
            yield from (part.text for part in event.parts if part.kind == "text" and len(part.text) >= PARAGRAPH)


def _measured(item: Prepared, chunk_tokens: int) -> tuple[Cost, dict[str, float]]:
    """Cost and pages by route of one parsed document; of one that took too long, by the pages that it has in all."""
    pages: Counter[str] = Counter()
    page_count = passages = pictures = images = 0
    for event in read(item.spool) if item.spool else ():
        if isinstance(event, Info):
            page_count = event.page_count or page_count
        elif isinstance(event, Page):
            pages[event.route.path] += 1
            if event.route.path != "page":
                passages += ceil(sum(len(part.text) for part in event.parts) / (CHARS_A_TOKEN * chunk_tokens))
            pictures += len(event.pictures)
            images += event.image is not None
    late = item.failure is not None and item.failure.error == "LimitExceeded" and pages.total() > 0
    factor = max(1.0, page_count / pages.total()) if late else 1.0
    cost = Cost(item.seconds, 0.0, passages, pictures, images).times(factor)
    return cost, {route: count * factor for route, count in pages.items()}
