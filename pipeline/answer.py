"""What a search gives back: hits, made of rows that are read for them alone, one hit for rows that show the same."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.grouping import Group, Grouping
from pipeline.mix import Scored, merge
from pipeline.regions import PageMap
from pipeline.store import Store, hits_table
from pipeline.types import Again, Box, Hit

HIT = ("id", "source_uri", "title", "modality", "page", "bbox", "headings", "text", "route")  # columns of a hit
COMPARED = ("doc_id", "asset_id")  # that tell whether a row shows the same as another
LOOK_ON = 10  # rows beyond the last hit, which may show the same as a better one
Places = Mapping[str, Mapping[str, Mapping[str, Any]]]  # id -> leg -> its rank and score there


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits, best first; `notes` says what the asker should know, `pages` how MaxSim chose the pages it scored.

    `maps` tells of page hits, by id, how well each of their parts fits the query. An answer is a sequence of its hits.
    """

    hits: tuple[Hit, ...] = ()
    notes: tuple[str, ...] = ()
    pages: str = ""
    maps: Mapping[str, PageMap] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, place: int) -> Hit:
        return self.hits[place]

    def to_arrow(self) -> Any:
        """A `pyarrow.Table` with a row for each hit and a column for each of its fields, in a fixed schema."""
        return hits_table(self.hits)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` of the same rows and columns."""
        return self.to_arrow().to_pandas()


def fetch_groups(store: Store, ranked: Sequence[str], k: int) -> list[Group]:
    """The first k groups of rows, the rows being read as they are needed; what is gone meanwhile is left out."""
    grouping = Grouping()
    at = 0
    while at < len(ranked) and len(grouping.groups) < k:
        ids = ranked[at : at + k - len(grouping.groups) + LOOK_ON]
        at += len(ids)
        rows = store.fetch(ids, (*HIT, *COMPARED))
        for id in ids:
            if id in rows:
                grouping.add(rows[id])
    return grouping.groups[:k]


def leg_places(legs: Mapping[str, Scored], ids: Collection[str]) -> Places:
    """Rank and score of some rows in each leg that found them."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for leg, scored in legs.items():
        scores = dict(scored)
        ranks = {id: rank for rank, id in enumerate(merge(scored), 1)} if any(id in scores for id in ids) else {}
        for id in ids:
            if id in scores:
                found.setdefault(id, {})[leg] = {"rank": ranks[id], "score": round(scores[id], 6)}
    return found


def hit_of(group: Group, rank: int, score: float, places: Places, place: PageMap | None) -> Hit:
    row = group.first
    box: Box | None = None if row["bbox"] is None else tuple(row["bbox"])
    boxes = place.regions if place is not None else ()
    return Hit(
        id=row["id"],
        rank=rank,
        score=score,
        modality=row["modality"],
        source_uri=row["source_uri"],
        page=row["page"],
        bbox=boxes[0].bbox if boxes else box,
        text=row["text"] or "",
        route=row["route"] or "",
        legs=places.get(row["id"], {}),
        title=row["title"] or "",
        headings=tuple(row["headings"] or ()),
        boxes=boxes,
        page_size=(box[2], box[3]) if row["modality"] == "page" and box is not None else None,
        also=tuple(Again(other["id"], other["modality"], other["source_uri"], other["page"]) for other in group.others),
    )
