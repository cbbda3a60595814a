"""What a run will cost: a sample that is spread well, and rates that are taken from the ledger."""

from __future__ import annotations

import pytest

from pipeline.ingest.forecast import (
    Chosen,
    Cost,
    Load,
    Past,
    RowBytes,
    Sampled,
    choose,
    count_types,
    forecast,
    learn,
    row_bytes,
)
from pipeline.types import DocumentRecord, Found

SIZES = RowBytes(1000, 5000, 20000)


def found(name: str, size: int) -> Found:
    return Found(f"file:///{name}", "", size, None)


def test_a_sample_has_every_type_and_stands_for_every_document() -> None:
    """Rare types are in it, frequent ones by several sizes, and the weights add up."""
    work = [("pdf", found(f"{n}.pdf", n * 1000)) for n in range(500)] + [("odt", found("a.odt", 7))]
    chosen = choose(work, 20)

    assert len(chosen) == 20
    assert sum(item.weight for item in chosen) == 501
    assert [item.weight for item in chosen if item.media_type == "odt"] == [1]
    assert max(c.found.size_bytes for c in chosen) > 450_000 > 50_000 > min(c.found.size_bytes for c in chosen)


def test_a_small_corpus_is_sampled_whole() -> None:
    """No more documents than there are, and none for no work."""
    assert [c.weight for c in choose([("txt", found("a", 1)), ("txt", found("b", 2))], 20)] == [1, 1]
    assert choose([], 20) == []


def test_without_past_runs_the_sample_tells_pages_and_parse_time() -> None:
    """Each document of the sample counts for those it stands for; two workers halve the time."""
    work = [("pdf", found(f"{n}", 10)) for n in range(10)]
    sample = [Sampled(Chosen(work[0][1], "pdf", 10), Cost(parse_s=2, text=3), {"text": 4, "page": 0.5})]
    cost = forecast(count_types(work), sample, Past(), SIZES, workers=2)

    assert cost.pages == {"text": 40, "image": 0, "page": 5, "both": 0}
    assert (cost.seconds, cost.size_bytes, cost.basis, cost.sampled) == (10.0, 30_000, "sample", 1)


def test_past_runs_tell_the_time_of_embedding() -> None:
    """Rows cost what such rows took; the slower of parsing and embedding counts."""
    work = {"pdf": Load(4, 200)}
    sample = [Sampled(Chosen(found("a", 50), "pdf", 4), Cost(parse_s=1, text=10, page=1), {"text": 1})]
    past = Past({"pdf": Load(1, 100, Cost(parse_s=0.1))}, (0.5, 1.0, 2.0))

    assert forecast(work, sample, past, SIZES, workers=1).seconds == 4 * (10 * 0.5 + 1 * 2)
    assert forecast(work, sample, Past(past.loads), SIZES, workers=1).seconds == 0.2
    assert forecast(work, sample, past, SIZES, workers=1).basis == "past runs"


def test_the_ledger_gives_what_documents_took() -> None:
    """Attachments count into their mail; deleted documents and those without a time do not count."""
    mail = DocumentRecord("file:///m.eml", "m", "indexed", media_type="mail", size_bytes=9, seconds=1, embed_seconds=2)
    records = [
        mail,
        DocumentRecord("file:///m.eml!/a.csv", "a", "indexed", media_type="csv", parent=mail.source_uri, seconds=3),
        DocumentRecord("file:///old.txt", "o", "indexed", media_type="text", text_rows=5, seconds=1),
        DocumentRecord("file:///x.txt", "x", "deleted", media_type="text", seconds=1, embed_seconds=1),
    ]

    assert learn(records).loads == {"mail": Load(1, 9, Cost(4, 2))}


def test_seconds_a_row_are_told_apart_in_mixed_documents() -> None:
    """Documents of several kinds of rows still tell what each kind takes; a kind that never was is not free."""
    rates = (0.1, 0.0, 3.0)
    records = [
        DocumentRecord(
            f"{n}", f"{n}", "indexed", seconds=1, text_rows=n % 7, page_rows=n % 3,
            embed_seconds=n % 7 * rates[0] + n % 3 * rates[2],
        )
        for n in range(1, 21)
    ]  # fmt: skip

    assert learn(records).row_s == pytest.approx((0.1, 3.0, 3.0))
    assert learn([]).row_s == (0.0, 0.0, 0.0)


def test_larger_vectors_make_larger_rows() -> None:
    """The plain sizes follow the models; a page is the largest."""
    small, large = row_bytes(384, 384, 200), row_bytes(768, 384, 200)

    assert small.text < small.image < small.page
    assert large.text - small.text == 4 * 384
