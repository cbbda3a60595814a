"""The built-in page model: late interaction over the words of a page."""

import doctest
import sys
from pathlib import Path
from subprocess import run

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.embed import Frequencies
from pipeline.embed.builtin import pages as module
from pipeline.embed.builtin.pages import BuiltinPages, pooled
from pipeline.embed.pages import load_pages
from pipeline.errors import UsageError
from pipeline.score import maxsim
from pipeline.types import ModelId, PageImage, PageInput, TextLine

NOWHERE = PageImage(Path("nowhere.png"), 100, 100, 100.0, 100.0)
BOX = (0.0, 0.0, 10.0, 10.0)


def page(*lines):
    return PageInput(NOWHERE, tuple(TextLine(line, BOX) for line in lines))


@pytest.fixture(scope="module")
def model():
    return BuiltinPages(threads=1)


def test_the_example_in_the_docstring_is_true():
    """The docstring example of the module runs."""
    assert doctest.testmod(module) == doctest.TestResults(failed=0, attempted=1)


def test_its_id_names_the_pooling_and_loads_nothing():
    """Two poolings never mix in a table, and asking for the id imports neither torch nor OCR."""
    code = (
        "import sys; from pipeline.embed.pages import load_pages; load_pages('builtin', threads=1, pooling=2).id;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'rapidocr', 'onnxruntime')))"
    )

    assert load_pages("builtin", threads=1, pooling=2).id == ModelId(
        "builtin-pages", "minilm-ocr-1", 384, "sequential-2"
    )
    assert BuiltinPages().id != BuiltinPages(pooling=1).id
    assert run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=False).returncode == 0


def test_an_unknown_page_model_is_a_usage_error():
    """A wrong name says which setting held it."""
    with pytest.raises(UsageError, match="`pages`"):
        load_pages("no-such-model", threads=1, pooling=4)


@pytest.mark.parametrize("by", [1, 2, 3, 4, 16])
def test_pooling_divides_the_vectors_and_keeps_unit_rows(by):
    """n rows become ceil(n / by) unit rows of float16; a rest at the end is a mean of fewer."""
    rows = np.random.default_rng(0).normal(size=(11, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)

    means = pooled(rows, by)

    assert (means.shape, means.dtype) == ((-(-11 // by), 8), np.float16)
    np.testing.assert_allclose(np.linalg.norm(means.astype(np.float32), axis=1), 1, atol=2e-3)
    last = rows[(10 // by) * by :].mean(axis=0)
    np.testing.assert_allclose(means[-1], last / np.linalg.norm(last), atol=2e-3)
    assert pooled(rows[:0], by).shape == (0, 8)


def test_frequencies_count_pages_not_repeats():
    """A token counts once a page, however often it stands there; no weights are needed to count."""
    model = BuiltinPages()

    found = model.count_frequencies(iter(["tax tax tax", "tax form", ""]))

    ids = [model.count_frequencies([word]).counts.argmax() for word in ("tax", "form")]
    assert (found.pages, found.counts.dtype, found.counts.sum()) == (3, np.int64, 3)
    assert [found.counts[id] for id in ids] == [2, 1]


@pytest.mark.models
def test_pages_become_unit_vectors_with_their_text(model):
    """Four tokens make a vector; the text is the lines in their order; a blank page has no vectors."""
    first, blank, long = model.embed_pages([page("The tax form", "is due in March"), page(), page("word " * 600)])

    assert first.text == "The tax form\nis due in March"
    assert (first.vectors.shape, first.vectors.dtype) == ((2, 384), np.float16)
    assert (blank.vectors.shape, blank.vectors.dtype, blank.text) == ((0, 384), np.float16, "")
    assert long.vectors.shape == (150, 384)
    np.testing.assert_allclose(np.linalg.norm(long.vectors.astype(np.float32), axis=1), 1, atol=2e-3)


@pytest.mark.models
def test_the_vectors_of_a_page_do_not_depend_on_its_neighbours(model):
    """A page embedded alone and among others has the same vectors, up to the arithmetic of batches."""
    pages = [page("A short line"), page("Some longer text about rivers and lakes " * 9), page("Rain")]

    alone = [model.embed_pages([one])[0].vectors.astype(np.float32) for one in pages]
    together = [embedded.vectors.astype(np.float32) for embedded in model.embed_pages(pages)]

    assert all((a * b).sum(axis=1).min() > 0.99 for a, b in zip(alone, together, strict=True))


@pytest.mark.models
def test_a_query_finds_its_page(model):
    """The page about the query's subject scores best, though it shares few of its words."""
    pages = [
        page("Rain and wind along the coast tomorrow"),
        page("The cat slept on the sofa"),
        page("Share prices fell"),
    ]
    vectors = [embedded.vectors for embedded in model.embed_pages(pages)]
    offsets = np.cumsum([0, *map(len, vectors)])

    for text, best in (("weather forecast", 0), ("sleeping pets", 1), ("stock market losses", 2)):
        query = model.embed_query(text)
        assert maxsim(query.vectors, query.weights, np.concatenate(vectors), offsets).argmax() == best


@pytest.mark.models
def test_rare_tokens_weigh_more(model):
    """A weight is ln((N + 1) / (df + .5)); it is never below 0."""
    counts = np.zeros(30522, np.int64)
    counts[model.count_frequencies(["the"]).counts.argmax()] = 100
    counts[model.count_frequencies(["tax"]).counts.argmax()] = 9

    query = model.embed_query("the tax form", Frequencies(99, counts))

    assert query.vectors.shape == (3, 384)
    assert (query.vectors.dtype, query.weights.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(query.weights, [0, np.log(100 / 9.5), np.log(100 / 0.5)], rtol=1e-6)


@pytest.mark.models
def test_weights_are_one_where_frequencies_say_nothing(model):
    """No frequencies, a small corpus, and only words that stand on every page: all tokens count alike."""
    everywhere = np.full(30522, 500, np.int64)

    for frequencies in (None, Frequencies(19, everywhere * 0), Frequencies(400, everywhere)):
        assert model.embed_query("tax form", frequencies).weights.tolist() == [1.0, 1.0]
    assert model.embed_query("").vectors.shape == (0, 384)


@pytest.mark.models
def test_a_scanned_page_is_read_by_ocr(model, tmp_path):
    """Without lines the words come from the picture, with their boxes in points."""
    picture = Image.new("RGB", (800, 600), "white")
    ImageDraw.Draw(picture).text((80, 100), "Invoice for repairs", "black", ImageFont.load_default(48))
    picture.save(tmp_path / "page.png")

    (embedded,) = model.embed_pages([PageInput(PageImage(tmp_path / "page.png", 800, 600, 400.0, 300.0))])

    assert embedded.text == "Invoice for repairs"
    assert embedded.vectors.shape[1] == 384
    assert embedded.lines[0].bbox[0] == pytest.approx(40, abs=6)
