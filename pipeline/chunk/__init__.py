"""Pages to passages that fit the embedder. Pure: counts tokens only with the function it is given.

Passages end at headings and at the end of a page and do not overlap. Paragraphs are merged up to the aim; one that is
longer is split at sentence ends, a sentence over the budget between words, a word over the budget between letters. A
table stays whole if it fits the budget; else it is split between rows, under its header again. No text is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.chunk.cut import LADDERS, Cut, Span, halves, header_of, windows
from pipeline.chunk.pack import Group, Header, Kind, Packer, Unit
from pipeline.types import Box, Page, Part, Passage

CHUNKER_VERSION = "1"  # part of the recipe: raise it when the same pages give other passages

MAX_CHARS_A_TOKEN = 32  # a tokenizer may take a letter salad of any length for one unknown token
CHARS_A_TOKEN = 4  # first guess at the size of a slice of an endless sentence
BATCH_CHARS = 500_000  # texts that are counted in one call
HEADING_CHARS = 200  # of a heading, where it stands above a passage


@dataclass(frozen=True, slots=True)
class Block:
    """Parts that belong together: one part, or list items or code lines in a row."""

    text: str
    bbox: Box | None
    kind: str  # a key of LADDERS
    section: int
    heading: bool = False


class Chunker:
    """One document's passages; it remembers the headings above from page to page.

    `count_tokens` is the embedder's own count, `budget` what it can take, `aim` the size that passages are merged to.
    """

    def __init__(self, count_tokens: Callable[[Sequence[str]], list[int]], *, aim: int, budget: int) -> None:
        if aim < 1 or budget < 1:
            raise ValueError(f"aim {aim} and budget {budget} must be at least 1")
        self._count_tokens, self._aim, self._budget = count_tokens, min(aim, budget), budget
        self._max_chars = MAX_CHARS_A_TOKEN * budget
        self._headings: list[tuple[int, str]] = []

    def feed(self, page: Page) -> list[Passage]:
        """The passages of one page in reading order; pages are fed in document order.

        Each has the exact token count of its text, at most `budget`, and holds text of this page only. A heading
        begins the first passage below it, and is named in `headings` of all of them.
        """
        blocks, above = self._blocks(page.parts)
        units, headers = self._units(blocks)
        packer = Packer(self._aim, self._budget, self._max_chars, headers)
        passages = []
        for group, tokens in self._settled(packer, list(packer.groups(units))):
            box = union(unit.bbox for unit in group.units)
            headings = above[group.units[0].section]
            passages.append(Passage(group.text, tokens, page.number, box, headings, group.kind))
        return passages

    # parts to blocks ------------------------------------------------------------------------------------------

    def _blocks(self, parts: Sequence[Part]) -> tuple[list[Block], list[tuple[str, ...]]]:
        """Blocks, and for each section the headings above it; a heading opens one, a deeper one below joins it."""
        blocks: list[Block] = []
        above = [self._above()]
        level = 0  # of the heading just before, 0 if it was no heading
        for part in parts:
            if not part.text.strip():
                continue
            if part.kind == "heading":
                deeper = 0 < level < part.level
                level = min(max(part.level, 1), 6)
                self._enter(level, part.text)
                above = [*above[:-1], self._above()] if deeper else [*above, self._above()]
            else:
                level = 0
            blocks.append(_block(part, len(above) - 1))
        return list(_joined(blocks)), above

    def _enter(self, level: int, text: str) -> None:
        shown = " ".join(text.split())
        shown = shown if len(shown) <= HEADING_CHARS else shown[: HEADING_CHARS - 1] + "…"
        self._headings = [*(entry for entry in self._headings if entry[0] < level), (level, shown)]

    def _above(self) -> tuple[str, ...]:
        return tuple(text for _, text in self._headings)

    # blocks to units ------------------------------------------------------------------------------------------

    def _units(self, blocks: Sequence[Block]) -> tuple[list[Unit], dict[int, Header]]:
        """Units that fit the budget one by one, and the headers of the tables that had to be split."""
        counts = self._count([block.text for block in blocks])
        units: list[Unit] = []
        headers: dict[int, Header] = {}
        opening = 0  # tokens of the headings that stand just before the block, in its section
        for number, (block, tokens) in enumerate(zip(blocks, counts, strict=True)):
            limit = self._budget if block.kind == "table" else self._aim
            if tokens <= min(limit, self._budget - opening):
                spans = [((0, len(block.text)), tokens)]
            else:
                if block.kind == "table" and (header := self._header(block.text)):
                    headers[number] = header
                spans = self._pieces(block, headers.get(number))
            units += _units_of(block, number, spans)
            alone = number + 1 == len(blocks) or blocks[number + 1].section != block.section
            opening = opening + tokens if block.heading and not alone else 0
        return units, headers

    def _header(self, table: str) -> Header | None:
        if not (text := header_of(table)):
            return None
        (tokens,) = self._count([text])
        return Header(text, tokens) if tokens <= self._budget // 2 else None

    def _pieces(self, block: Block, header: Header | None) -> list[tuple[Span, int]]:
        """A block that is too large, in slices that fit the budget, each with its tokens."""
        ladder = list(LADDERS[block.kind])
        spans = ladder.pop(0)(block.text)
        start = 0
        if header:  # its two lines stay together, so that they are known as the header
            spans = [(spans[0][0], spans[1][1]), *spans[2:]]
            start = 1
        size = CHARS_A_TOKEN * self._budget
        cuts: list[Cut] = [*ladder, lambda text: windows(text, size) if len(text) > size else halves(text)]
        counts = self._count([block.text[slice(*span)] for span in spans])
        pieces = list(zip(spans, counts, strict=True))
        return pieces[:start] + self._cut_down(block.text, pieces[start:], cuts)

    def _cut_down(self, text: str, pieces: list[tuple[Span, int]], cuts: Sequence[Cut]) -> list[tuple[Span, int]]:
        """Pieces over the budget are cut by the next of `cuts`, the last of them as often as it takes."""
        while any(tokens > self._budget and end - start > 1 for (start, end), tokens in pieces):
            spans: list[tuple[Span, int | None]] = []
            for (start, end), tokens in pieces:
                if tokens <= self._budget or end - start == 1:
                    spans.append(((start, end), tokens))
                else:
                    spans += [((start + a, start + b), None) for a, b in cuts[0](text[start:end])]
            counts = iter(self._count([text[slice(*span)] for span, tokens in spans if tokens is None]))
            pieces = [(span, next(counts) if tokens is None else tokens) for span, tokens in spans]
            cuts = cuts[1:] or cuts
        return pieces

    # groups to passages ---------------------------------------------------------------------------------------

    def _settled(self, packer: Packer, groups: list[Group]) -> Iterator[tuple[Group, int]]:
        """Groups with the exact tokens of their text. Tokens do not always add up: what is over is made smaller."""
        while True:
            open_texts = [group.text for group in groups if not _is_counted(group)]
            counts = iter(self._count(open_texts))
            counted = [(group, group.tokens if _is_counted(group) else next(counts)) for group in groups]
            if all(tokens <= self._budget or _is_counted(group) for group, tokens in counted):
                yield from counted
                return
            groups = [
                smaller
                for group, tokens in counted
                for smaller in ([group] if tokens <= self._budget else packer.smaller(group))
            ]

    def _count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text; one that is too long to be counted counts as over any budget."""
        short = [text for text in texts if len(text) <= self._max_chars]
        counts: list[int] = []
        batch: list[str] = []
        chars = 0
        for text in short:
            batch.append(text)
            chars += len(text)
            if chars >= BATCH_CHARS:
                counts += self._count_tokens(batch)
                batch, chars = [], 0
        counts += self._count_tokens(batch) if batch else []
        found = iter(counts)
        return [next(found) if len(text) <= self._max_chars else self._max_chars + 1 for text in texts]


def union(boxes: Iterator[Box | None]) -> Box | None:
    """The smallest box around all that are given, None without any."""
    known = [box for box in boxes if box is not None]
    if not known:
        return None
    left, top, right, bottom = zip(*known, strict=True)
    return min(left), min(top), max(right), max(bottom)


def _block(part: Part, section: int) -> Block:
    kind = part.kind if part.kind in LADDERS else "prose"
    text = part.text.strip("\r\n").rstrip() if kind == "code" else part.text.strip()
    return Block(text, part.bbox, kind, section, part.kind == "heading")


def _joined(blocks: Sequence[Block]) -> Iterator[Block]:
    """Blocks with list items, and code, that follow each other in one."""
    run: list[Block] = []
    for block in blocks:
        if run and not (
            block.kind in ("list", "code") and block.kind == run[0].kind and block.section == run[0].section
        ):
            yield _one(run)
            run = []
        run.append(block)
    if run:
        yield _one(run)


def _one(run: Sequence[Block]) -> Block:
    if len(run) == 1:
        return run[0]
    return replace(run[0], text="\n".join(block.text for block in run), bbox=union(block.bbox for block in run))


def _units_of(block: Block, number: int, spans: Sequence[tuple[Span, int]]) -> Iterator[Unit]:
    kind: Kind = "table" if block.kind == "table" else "code" if block.kind == "code" else "prose"
    previous = None
    for (start, end), tokens in spans:
        before = "\n\n" if previous is None else block.text[previous:start]
        yield Unit(block.text[start:end], tokens, before, block.bbox, kind, block.section, number, block.heading)
        previous = end


def _is_counted(group: Group) -> bool:
    return len(group.units) == 1 and group.repeat is None
