"""Units of text to groups that make one passage each. Knows sizes and boundaries; counts nothing itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.types import Box

Kind = Literal["prose", "table", "code"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A slice of a block that stays in one piece."""

    text: str
    tokens: int
    before: str  # what stands between it and the unit before, when both are in one passage
    bbox: Box | None
    kind: Kind
    section: int
    block: int
    heading: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """The header rows of a table that is split, and where they stand already."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Group:
    """The units of one passage; `repeat` is a table header that is put over them again."""

    units: tuple[Unit, ...]
    repeat: Header | None = None

    @property
    def text(self) -> str:
        pieces = [self.units[0].text]
        for unit in self.units[1:]:
            pieces += [unit.before, unit.text]
        text = "".join(pieces)
        return f"{self.repeat.text}\n{text}" if self.repeat else text

    @property
    def tokens(self) -> int:
        """The sum of what was counted; exact for a single unit, else the text has to be counted."""
        return sum(unit.tokens for unit in self.units) + (self.repeat.tokens if self.repeat else 0)

    @property
    def kind(self) -> Kind:
        return next((unit.kind for unit in self.units if not unit.heading), "prose")


@dataclass(frozen=True, slots=True)
class Packer:
    """Merges units up to `aim` tokens, and up to `budget` where they belong together; `headers` are by block."""

    aim: int
    budget: int
    max_chars: int
    headers: Mapping[int, Header]

    def groups(self, units: Sequence[Unit]) -> Iterator[Group]:
        """Groups in reading order; each unit is in exactly one. A section or a table never shares its group."""
        open_units: list[Unit] = []
        tokens = chars = 0
        for unit in units:
            repeat = self._repeat(open_units[0]) if open_units else None
            extra = repeat.tokens if repeat else 0
            fits = chars + len(unit.text) <= self.max_chars and tokens + extra + unit.tokens <= self._limit(
                open_units, unit
            )
            if open_units and not (fits and _belong(open_units, unit)):
                yield Group(tuple(open_units), repeat)
                open_units, tokens, chars = [], 0, 0
            open_units.append(unit)
            tokens += unit.tokens
            chars += len(unit.before) + len(unit.text)
        if open_units:
            yield Group(tuple(open_units), self._repeat(open_units[0]))

    def smaller(self, group: Group) -> list[Group]:
        """A group that turned out too large, in two, or without its repeated header."""
        if len(group.units) == 1:
            return [Group(group.units)]
        middle = len(group.units) // 2
        second = group.units[middle:]
        return [Group(group.units[:middle], group.repeat), Group(second, self._repeat(second[0]))]

    def _limit(self, open_units: Sequence[Unit], unit: Unit) -> int:
        together = unit.kind == "table" or all(other.heading for other in open_units)
        return self.budget if together else self.aim

    def _repeat(self, first: Unit) -> Header | None:
        """The header to put over a group that starts with `first`, if it fits and does not stand there already."""
        header = self.headers.get(first.block)
        if header is None or header.text == first.text or header.tokens + first.tokens > self.budget:
            return None
        return header


def _belong(open_units: Sequence[Unit], unit: Unit) -> bool:
    last = open_units[-1]
    if unit.section != last.section:
        return False
    if last.heading or unit.heading:
        return True
    return unit.kind == last.kind and (unit.kind != "table" or unit.block == last.block)
