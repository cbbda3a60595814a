"""Score functions against slow, obvious versions of themselves."""

import doctest
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import score
from pipeline.mix import mix
from pipeline.score import Fused, combine, fuse, maxsim, mrr, ndcg_at, recall_at


def unit(rng, count, dim=8):
    rows = rng.normal(size=(count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def naive(query, weights, pages):
    scores = []
    for page in pages:
        total = 0.0
        for vector, weight in zip(query, weights, strict=True):
            total += weight * max((float(np.dot(vector, row)) for row in page), default=0.0)
        scores.append(total / sum(weights))
    return scores


def test_the_examples_in_the_docstrings_are_true():
    """Every docstring example of the module runs."""
    result = doctest.testmod(score)

    assert result.failed == 0
    assert result.attempted >= 8


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_maxsim_equals_the_triple_loop(lengths, query_length, seed):
    """Any mixture of pages, empty ones in any place included, scores as the definition says."""
    rng = np.random.default_rng(seed)
    pages = [unit(rng, length).astype(np.float16) for length in lengths]
    query, weights = unit(rng, query_length), rng.uniform(0.1, 2, query_length)
    offsets = np.cumsum([0, *lengths])

    scores = maxsim(query, weights, np.concatenate(pages), offsets)

    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, naive(query, weights, pages), atol=1e-5)


def test_maxsim_gives_the_same_scores_in_small_blocks_and_bounded_memory():
    """A table larger than one block is scored block by block, without a float32 copy of all of it."""
    rng = np.random.default_rng(1)
    documents = rng.normal(size=(200_000, 128)).astype(np.float16)
    offsets = np.arange(0, 200_001, 100)
    query = unit(rng, 4, 128)

    tracemalloc.start()
    scores = maxsim(query, None, documents, offsets)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 2 * score.BLOCK_BYTES < documents.nbytes * 2
    best = (documents[-100:].astype(np.float32) @ query.T).max(axis=0)
    np.testing.assert_allclose(scores[-1], best.mean(), rtol=1e-5)


def test_maxsim_reads_a_slice_of_the_documents():
    """Offsets need not start at the first row nor end at the last."""
    documents = np.eye(4, dtype=np.float32)

    assert maxsim(np.eye(4, dtype=np.float32)[2:3], None, documents, np.array([1, 2, 3])).tolist() == [0.0, 1.0]


def test_maxsim_of_nothing_is_zero():
    """No pages, no query vectors and weights of zero give zeros, never NaN."""
    documents = np.eye(2, dtype=np.float16)

    assert maxsim(np.eye(2, dtype=np.float32), None, documents, np.array([0])).shape == (0,)
    assert maxsim(np.zeros((0, 2), np.float32), None, documents, np.array([0, 2])).tolist() == [0.0]
    assert maxsim(np.eye(2, dtype=np.float32), np.zeros(2), documents, np.array([0, 2])).tolist() == [0.0]


def test_maxsim_refuses_weights_that_do_not_match():
    """A weight too few is an error, not a broadcast."""
    with pytest.raises(ValueError, match="2 query vectors"):
        maxsim(np.eye(2, dtype=np.float32), np.ones(1), np.eye(2, dtype=np.float32), np.array([0, 2]))


def test_fusion_ranks_by_weighted_reciprocal_rank():
    """Scores and ranks are exact, an id in two legs beats one in a single leg."""
    fused = fuse({"text": ["a", "b"], "image": ["c", "b"]}, {"text": 1.0, "image": 0.9})

    assert fused == [
        Fused("b", 1 / 62 + 0.9 / 62, {"text": 2, "image": 2}),
        Fused("a", 1 / 61, {"text": 1}),
        Fused("c", 0.9 / 61, {"image": 1}),
    ]


def test_fusion_breaks_ties_by_id_and_ignores_repeats_and_silent_legs():
    """The order never depends on the order of the legs; a leg of weight 0 adds nothing."""
    fused = fuse({"x": ["b", "b"], "y": ["a"], "off": ["z"]}, {"off": 0.0})

    assert [hit.id for hit in fused] == ["a", "b"]
    assert fused[0].score == fused[1].score == 1 / 61


def test_metrics_of_known_rankings():
    """Grades, cut-offs and missing judgements count as the definitions say."""
    ranked, grades = ["a", "x", "b", "c"], {"a": 1.0, "b": 2.0, "missing": 1.0}

    assert ndcg_at(10, ranked, grades) == pytest.approx((1 + 2 / 2) / (2 + 1 / np.log2(3) + 1 / 2))
    assert ndcg_at(1, ranked, grades) == pytest.approx(1 / 2)
    assert (recall_at(1, ranked, grades), recall_at(4, ranked, grades)) == (1 / 3, 2 / 3)
    assert (mrr(["x", "b"], grades), mrr(["x"], grades)) == (1 / 2, 0.0)
    assert ndcg_at(10, ranked, {}) == recall_at(10, ranked, {}) == 0.0


def test_a_leg_that_sees_nothing_changes_little() -> None:
    """Fusion by surprise: random scores do not push down the page that another leg finds far ahead of all others."""
    lot = np.random.default_rng(0)
    sure = sorted([("found", 0.9), *((f"p{n}", float(s)) for n, s in enumerate(lot.normal(0.5, 0.02, 99)))], key=last)
    noise = sorted([("found", 0.0), *((f"p{n}", float(s)) for n, s in enumerate(lot.normal(0, 1, 99)))], key=last)
    legs = {"maxsim": sure, "page": noise}

    assert combine(legs, {})[0].id == "found"
    assert fuse({leg: [id for id, _ in pairs] for leg, pairs in legs.items()}, {})[0].id != "found"


def test_what_lists_hold_beyond_the_first_hundred_changes_no_order() -> None:
    """More hits asked for are the same first ones, although legs give longer lists."""
    lot = np.random.default_rng(1)
    legs = {leg: sorted(((f"p{n}", float(s)) for n, s in enumerate(lot.normal(size=500))), key=last) for leg in "ab"}
    few = [hit.id for hit in combine({leg: pairs[:100] for leg, pairs in legs.items()}, {})[:10]]
    shared = [hit.id for hit in combine(legs, {}) if set(hit.ranks.values()) <= set(range(1, 101))]

    assert [id for id in few if id in shared] == [id for id in shared if id in few]


def test_words_that_hardly_any_page_has_weigh_more() -> None:
    """A page without the words scores 0: one match among a hundred pages surprises, a hundred matches do not."""
    pages = [(f"p{n:02}", 0.8 - n / 1000) for n in range(100)]
    rare = combine({"page": pages, "bm25": [("p50", 4.0)]}, {})
    common = combine({"page": pages, "bm25": [("p50", 4.2), *((f"p{n:02}", 4.0) for n in range(50))]}, {})

    assert rare[0].id == "p50"
    assert rare[0].score > next(hit.score for hit in common if hit.id == "p50")


def test_a_weight_of_zero_or_an_empty_leg_is_as_if_it_were_not_there() -> None:
    """And scores that are all the same, or a single one, are no error."""
    pages = [("a", 0.5), ("b", 0.5)]

    assert combine({"page": pages, "bm25": []}, {}) == combine({"page": pages}, {})
    assert combine({"page": pages, "maxsim": [("b", 1.0)]}, {"maxsim": 0.0}) == combine({"page": pages}, {})
    assert [hit.id for hit in combine({"page": pages}, {})] == ["a", "b"]
    assert combine({}, {}) == []


def last(pair: tuple[str, float]) -> float:
    return -pair[1]


@pytest.mark.parametrize("block", [3, 1 << 20])
def test_torch_computes_the_same(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function for GPUs gives numpy's scores on a CPU: pages of any length, none too, and blocks that cut pages."""
    from pipeline.embed import maxsim_torch as module

    monkeypatch.setattr(module, "BLOCK_ROWS", block)
    lot = np.random.default_rng(0)
    query, documents = lot.normal(size=(5, 8)).astype(np.float32), lot.normal(size=(20, 8)).astype(np.float16)
    offsets, weights = np.array([0, 4, 4, 5, 20]), lot.random(5)
    nothing = np.zeros(5)

    for shares in (None, weights, nothing):
        expected = maxsim(query, shares, documents, offsets)
        np.testing.assert_allclose(module.maxsim_torch(query, shares, documents, offsets, "cpu"), expected, atol=1e-5)
    with pytest.raises(ValueError, match="5 query vectors"):
        module.maxsim_torch(query, np.ones(2), documents, offsets, "cpu")


def test_equal_sums_of_ranks_are_told_apart_by_scores() -> None:
    """First and second in two legs, each way round: the row that stands out in its leg is first, whatever the ids."""
    others = [(f"p{n}", 0.5 - n / 1000) for n in range(50)]
    for far, near in (("a", "b"), ("b", "a")):
        legs = {"text": [(far, 0.9), (near, 0.51), *others]}
        words = {"text": [(near, 5.1), (far, 5.0), *((id, score * 10) for id, score in others)]}

        assert [id for id, _ in mix(legs, words, {})][:2] == [far, near]  # type: ignore[dict-item]
