"""One ranking from several kinds of rows: each kind is ranked by its own legs, comparable scores share out the places.

A page has more legs than a passage, and the best picture for a query is rank 1 of its leg even when no picture fits.
Adding up legs over all kinds would let the kind with most legs, or the rarest one, drown the others. So kinds compete
by what can be compared, cosines in the one space and BM25; late interaction decides only between pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from pipeline.score import Fused, combine, fuse
from pipeline.types import Modality

K = 60  # of reciprocal rank fusion
Scored = Sequence[tuple[str, float]]  # (id, score), best first
Ranking = list[tuple[str, float]]  # (id, fused score), best first


def merge(*lists: Scored) -> list[str]:
    """Ids of lists whose scores can be compared, best first, ties by id.

    >>> merge([("a", 0.9), ("b", 0.1)], [("c", 0.5)])
    ['a', 'c', 'b']
    """
    return [id for id, _ in sorted((pair for ranked in lists for pair in ranked), key=lambda pair: (-pair[1], pair[0]))]


def keep_places(first: Sequence[str], second: Sequence[str], weight: float) -> Ranking:
    """`first` with places kept for `second`: an id scores the better of 1 / (K + rank) and weight / (K + rank).

    With a weight of 0.9 the best of `second` stands eighth at the latest, the next one tenth.

    >>> [id for id, _ in keep_places(list("abcdefghij"), ["z"], 0.9)][6:9]
    ['g', 'z', 'h']
    """
    scores = {id: weight / (K + rank) for rank, id in enumerate(second, 1)} if weight > 0 else {}
    for rank, id in enumerate(first, 1):
        scores[id] = max(1 / (K + rank), scores.get(id, 0.0))
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def share_places(places: Ranking, own: Mapping[Modality, Sequence[str]]) -> Ranking:
    """Places by kind from `places`, rows by each kind's own order; both hold the same ids.

    >>> share_places([("a", 0.3), ("p", 0.2), ("q", 0.1)], {"text": ["a"], "page": ["q", "p"]})
    [('a', 0.3), ('q', 0.2), ('p', 0.1)]
    """
    kind = {id: modality for modality, ids in own.items() for id in ids}
    waiting: dict[Modality, Iterator[str]] = {modality: iter(ids) for modality, ids in own.items()}
    return [(next(waiting[kind[id]]), score) for id, score in places]


def reordered(ranking: Ranking, order: Sequence[str]) -> Ranking:
    """The rows of `order`, all of them in the ranking, take each other's places; the others keep theirs.

    >>> reordered([("a", 0.3), ("p", 0.2), ("b", 0.1)], ["b", "a"])
    [('b', 0.3), ('p', 0.2), ('a', 0.1)]
    """
    moved, waiting = set(order), iter(order)
    return [(next(waiting) if id in moved else id, score) for id, score in ranking]


def mix(
    legs: Mapping[str, Scored],
    words: Mapping[Modality, Scored],
    weights: Mapping[str, float],
    *,
    one_scale: bool = True,
) -> Ranking:
    """The answer to a query in words.

    `legs` holds the ranked lists of `text`, `image`, `page` and `maxsim`, `words` the BM25 list of each kind of row;
    both may lack entries. `weights` maps a leg (`bm25` too) to its weight; 0 turns it off. Within a kind: weighted
    reciprocal rank fusion of its legs, of pages by how surprising each leg's scores are (`score.combine`), for a leg
    that knows nothing of a page must not push down what another one finds. Across kinds: places go by the joint ranks
    of cosine and of BM25. Under models whose pictures always have lower cosines than texts no picture would get a
    place, so some places are kept for pictures if the best one stands out among pictures as much as the best text does
    among texts. Without `one_scale` cosines of pictures and texts say nothing of each other: then such places are
    always kept.
    """
    on = {leg: ids for leg, ids in legs.items() if weights.get(leg, 1.0) > 0 and ids}
    words = words if weights.get("bm25", 1.0) > 0 else {}
    own = _by_kind(on, words, weights)
    if len(own) <= 1:
        return [pair for ranking in own.values() for pair in ranking]
    order = {kind: [id for id, _ in ranking] for kind, ranking in own.items()}
    first = _joint(on if one_scale else {leg: ids for leg, ids in on.items() if leg != "image"}, words, weights)
    known = set(first)
    first += [id for ids in order.values() for id in ids if id not in known]
    pictures, texts = on.get("image", ()), [*on.get("text", ()), *on.get("page", ())]
    kept = order.get("image", []) if not one_scale or stands_out(pictures) >= stands_out(texts) else []
    return share_places(keep_places(first, kept, weights.get("image", 1.0)), order)


def mix_example(legs: Mapping[str, Scored], weights: Mapping[str, float], is_page: bool) -> Ranking:
    """The answer to a picture, or to a page: rows of its own kind first, the others keep some places.

    Pages are ranked by `page` and `maxsim` together, the others by the cosines of `image` and `text`. To a picture that
    is no page, pages are texts like others.

    >>> mix_example({"maxsim": [("p", 0.9)], "image": [("i", 0.8)], "text": [("t", 0.7)]}, {"image": 0.0}, True)
    [('p', 0.01639344262295082)]
    """
    share = weights.get("image", 1.0)
    pictures, texts = merge(legs.get("image", ())), merge(legs.get("text", ()), () if is_page else legs.get("page", ()))
    groups = [group for group in (pictures, texts) if group]
    if is_page:
        pages = combine({leg: legs[leg] for leg in ("page", "maxsim") if leg in legs}, weights)
        groups = [group for group in ([hit.id for hit in pages], *groups) if group]
    ranking: list[str] = []
    for group in reversed(groups):
        ranking = [id for id, _ in keep_places(group, ranking, share)]
    return keep_places(ranking, [], share)


def stands_out(scored: Scored) -> float:
    """How far the best score lies above the median; 0 for fewer than two.

    >>> stands_out([("a", 0.75), ("b", 0.25), ("c", 0.125)])
    0.5
    """
    return max(score for _, score in scored) - median(score for _, score in scored) if scored else 0.0


def _by_kind(
    legs: Mapping[str, Scored], words: Mapping[Modality, Scored], weights: Mapping[str, float]
) -> dict[Modality, Ranking]:
    kinds: dict[Modality, tuple[str, ...]] = {"text": ("text",), "image": ("image",), "page": ("page", "maxsim")}
    own: dict[Modality, Ranking] = {}
    for kind, names in kinds.items():
        lists = {leg: legs[leg] for leg in names if leg in legs} | {"bm25": words.get(kind, ())}
        ranked = {leg: merge(scored) for leg, scored in lists.items()}
        hits = combine(lists, weights) if kind == "page" else _without_ties(fuse(ranked, weights, K), lists, weights)
        ranking = [(hit.id, hit.score) for hit in hits]
        if kind == "image":
            ranking = seen_or_said(ranking, ranked.get("image", ()), weights.get("image", 1.0))
        if ranking:
            own[kind] = ranking
    return own


def seen_or_said(fused: Ranking, seen: Sequence[str], weight: float) -> Ranking:
    """Pictures that have no words, or worse ones than looks, as if their words were as good as their looks.

    Most photographs have no words at all; a figure that stands in a text which has some of the query's words would come
    before all of them. Those of equal scores stay in order.

    >>> seen_or_said([("figure", 1 / 61 + 1 / 100), ("photo", 1 / 61)], ["photo"], 1.0)[0][0]
    'photo'
    """
    twice = {id: 2 * weight / (K + rank) for rank, id in enumerate(seen, 1)}
    scores = [(id, max(score, twice.get(id, 0.0))) for id, score in fused]
    return sorted(scores, key=lambda pair: -pair[1])


def _without_ties(hits: Sequence[Fused], lists: Mapping[str, Scored], weights: Mapping[str, float]) -> list[Fused]:
    """Rows with the same sum of reciprocal ranks, such as first and second in two legs each way round, by how
    surprising their scores are: ranks alone cannot tell them apart, and their ids say nothing."""
    surprises = {hit.id: hit.score for hit in combine(lists, weights)}
    return sorted(hits, key=lambda hit: (-hit.score, -surprises.get(hit.id, 0.0), hit.id))


def _joint(legs: Mapping[str, Scored], words: Mapping[Modality, Scored], weights: Mapping[str, float]) -> list[str]:
    """Rows of all kinds by reciprocal rank fusion of one list of cosines and one of BM25.

    A picture seldom has words: where BM25 does not know it or ranks it lower, its cosine rank counts twice. MaxSim
    stands in for the cosines of pages where these are turned off.
    """
    vectors = [leg for leg in ("text", "image", "page" if "page" in legs else "maxsim") if leg in legs]
    weight = {id: weights.get(leg, 1.0) for leg in vectors for id, _ in legs[leg]}
    by_cosine = {id: rank for rank, id in enumerate(merge(*(legs[leg] for leg in vectors)), 1)}
    by_words = {id: rank for rank, id in enumerate(merge(*words.values()), 1)}
    scores = {id: weight[id] / (K + rank) for id, rank in by_cosine.items()}
    for id, rank in by_words.items():
        scores[id] = scores.get(id, 0.0) + weights.get("bm25", 1.0) / (K + rank)
    for id, _ in legs.get("image", ()):
        scores[id] = max(scores[id], 2 * weight[id] / (K + by_cosine[id]))
    return sorted(scores, key=lambda id: (-scores[id], id))
