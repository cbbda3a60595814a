"""The built-in page model: late interaction over the words of a page."""

import doctest
import hashlib
import sys
from pathlib import Path
from subprocess import run

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.embed import Frequencies
from pipeline.embed.builtin import pages as module
from pipeline.embed.builtin.e5 import VOCABULARY
from pipeline.embed.builtin.pages import BASIS, BuiltinPages, basis, pooled, projected
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
        "builtin-pages", "e5-small-q4-ocr-1", 128, "sequential-2"
    )
    assert BuiltinPages().id == load_pages("builtin").id == BuiltinPages(pooling=0).id
    assert BuiltinPages().id.pooling == "even-192"
    assert BuiltinPages().id != BuiltinPages(pooling=1).id
    assert run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=False).returncode == 0


def test_an_unknown_page_model_is_a_usage_error():
    """A wrong name says which setting held it."""
    with pytest.raises(UsageError, match="`pages`"):
        load_pages("no-such-model", threads=1, pooling=4)


@pytest.mark.parametrize("by", [1, 2, 3, 4, 16])
def test_pooled_vectors_are_weighted_means_of_neighbours(by):
    """Every row of the input is in one group; a rest at the end is a mean of fewer; rows stay unit."""
    rows = np.random.default_rng(0).normal(size=(11, 8)).astype(np.float32)
    weights = np.arange(1, 12, dtype=np.float32)

    means = pooled(rows, weights, np.arange(0, 11, by))

    assert (means.shape, means.dtype) == ((-(-11 // by), 8), np.float32)
    np.testing.assert_allclose(np.linalg.norm(means, axis=1), 1, atol=1e-5)
    first = 10 // by * by
    last = np.average(rows[first:], axis=0, weights=weights[first:])
    np.testing.assert_allclose(means[-1], last / np.linalg.norm(last), atol=1e-5)
    assert pooled(rows[:0], weights[:0], np.arange(0)).shape == (0, 8)


def test_the_basis_is_the_one_that_the_model_id_names():
    """Another basis makes other vectors: then the revision must change with it, and this hash."""
    assert hashlib.sha256(BASIS.read_bytes()).hexdigest()[:8] == "c84e2994"
    assert (basis().shape, basis().dtype) == ((384, 128), np.float32)
    np.testing.assert_allclose(basis().T @ basis(), np.eye(128), atol=2e-3)
    assert projected(np.zeros((0, 384), np.float32)).shape == (0, 128)


@pytest.mark.models
def test_frequencies_count_pages_not_repeats():
    """A token counts once a page, however often it stands there; no weights are needed to count."""
    model = BuiltinPages()

    found = model.count_frequencies(iter(["tax tax tax", "tax form", ""]))

    ids = [model.count_frequencies([word]).counts.argmax() for word in ("tax", "form")]
    assert (found.pages, found.counts.dtype, found.counts.sum()) == (3, np.int64, 3)
    assert [found.counts[id] for id in ids] == [2, 1]


@pytest.mark.models
def test_pages_become_unit_vectors_with_their_text(model):
    """A short page keeps a vector a token, a long one has at most 192; a blank page has none."""
    first, blank, long = model.embed_pages([page("The tax form", "is due in March"), page(), page("word " * 900)])

    assert first.text == "The tax form\nis due in March"
    assert (first.vectors.shape, first.vectors.dtype) == ((7, 128), np.float16)
    assert (blank.vectors.shape, blank.vectors.dtype, blank.text) == ((0, 128), np.float16, "")
    assert long.vectors.shape == (192, 128)
    assert long.vectors.nbytes < 50_000
    np.testing.assert_allclose(np.linalg.norm(long.vectors.astype(np.float32), axis=1), 1, atol=2e-3)


@pytest.mark.models
def test_pooling_can_be_chosen():
    """Pooling n makes one vector of n tokens on every page; 1 keeps all of them."""
    counts = [len(BuiltinPages(1, by).embed_pages([page("word " * 300)])[0].vectors) for by in (1, 2, 7)]

    assert counts == [300, 150, 43]
    with pytest.raises(ValueError, match="must be 0 or more, not -1"):
        BuiltinPages(pooling=-1)


LINES = (
    "The harbour master closed the northern basin because of the storm",
    "Der Fährmann verlangt zwei Taler für die Überfahrt nach Süden",
    "今天下午的火车票已经全部卖完了",
    "Two spoons of olive oil, a clove of garlic and a litre of stock",
    "El tribunal rechazó la demanda por falta de pruebas suficientes",
    "Quarterly revenue of the software division fell by nine percent",
    "Photosynthesis turns water and carbon dioxide into sugar",
    "La vaccination des enfants commence au mois de septembre",
)


@pytest.mark.models
@pytest.mark.parametrize("pooling", [0, 1, 5])
def test_the_vectors_of_a_line_are_owned_by_that_line(pooling):
    """Asked for the words of a line, MaxSim over the vectors that each line owns is best for it, in any writing."""
    model = BuiltinPages(1, pooling)

    (embedded,) = model.embed_pages([page(*LINES, *("Filler text of the page, line after line.",) * 30)])
    owners = model.line_owners(embedded.text)

    assert len(owners) == len(embedded.vectors)
    assert sorted({line for group in owners for line in group}) == list(range(len(LINES) + 30))
    for line, words in enumerate(LINES):
        query = model.embed_query(words)
        alike = query.vectors @ embedded.vectors.T.astype(np.float32)
        by_line = [alike[:, [i in group for group in owners]].max(axis=1).mean() for i in range(len(embedded.lines))]
        assert np.argmax(by_line) == line


@pytest.mark.models
def test_owners_need_no_weights_and_stand_any_text(model):
    """An empty page has no vectors; blank lines own none; odd characters do not shift the lines."""
    assert model.line_owners("") == model.line_owners(" \n\n ") == []
    assert model.line_owners("\n\ud800\n\ufb01ne e\u0301te\u0301 🙂\n\nend")[-1] == (4,)


@pytest.mark.models
def test_lines_are_those_of_the_text(model):
    """A line that was given with a newline in it is one line all the same."""
    (embedded,) = model.embed_pages([page("first half\nsecond half", "", "last")])

    assert embedded.text.split("\n") == [line.text for line in embedded.lines]
    assert [line.text for line in embedded.lines] == ["first half second half", "", "last"]


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
    counts = np.zeros(VOCABULARY, np.int64)
    counts[model.count_frequencies(["the"]).counts.argmax()] = 100
    counts[model.count_frequencies(["tax"]).counts.argmax()] = 9

    query = model.embed_query("the tax form", Frequencies(99, counts))

    assert query.vectors.shape == (3, 128)
    assert (query.vectors.dtype, query.weights.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(query.weights, [0, np.log(100 / 9.5), np.log(100 / 0.5)], rtol=1e-6)


@pytest.mark.models
def test_weights_are_one_where_frequencies_say_nothing(model):
    """No frequencies, a small corpus, and only words that stand on every page: all tokens count alike."""
    everywhere = np.full(VOCABULARY, 500, np.int64)

    for frequencies in (None, Frequencies(19, everywhere * 0), Frequencies(400, everywhere)):
        assert model.embed_query("tax form", frequencies).weights.tolist() == [1.0, 1.0]
    assert model.embed_query("").vectors.shape == (0, 128)


@pytest.mark.models
def test_a_scanned_page_is_read_by_ocr(model, tmp_path):
    """Without lines the words come from the picture, with their boxes in points."""
    picture = Image.new("RGB", (800, 600), "white")
    ImageDraw.Draw(picture).text((80, 100), "Invoice for repairs", "black", ImageFont.load_default(48))
    picture.save(tmp_path / "page.png")

    (embedded,) = model.embed_pages([PageInput(PageImage(tmp_path / "page.png", 800, 600, 400.0, 300.0))])

    assert embedded.text == "Invoice for repairs"
    assert embedded.vectors.shape[1] == 128
    assert embedded.lines[0].bbox[0] == pytest.approx(40, abs=6)
