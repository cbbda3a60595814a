"""Damage of the kinds that discs, networks and careless programs do, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


def mutate(data: bytes, seed: int) -> bytes:
    """A damaged copy; the same for the same bytes and seed."""
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 3)):
        data = chance.choice(DAMAGE)(data, chance) if data else data
    return data


def mutated(paths: Sequence[Path], folder: Path, count: int, seed: int = 0) -> Iterator[Path]:
    """`count` damaged copies of `paths` in `folder`, the formats in turns; names tell source and seed."""
    chance = random.Random(seed)
    kinds: dict[str, list[Path]] = {}
    for path in sorted(paths):
        kinds.setdefault(path.suffix.lower(), []).append(path)
    formats = sorted(kinds)
    for number in range(count):
        source = chance.choice(kinds[formats[number % len(formats)]])
        copy = folder / f"{source.stem[:40]}-{seed + number}{source.suffix}"
        copy.write_bytes(mutate(source.read_bytes(), seed + number))
        yield copy


def _flip(data: bytes, chance: random.Random) -> bytes:
    """Up to one byte in a thousand, twenty at least."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 20 + len(data) // 1000)):
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def _repeat(data: bytes, chance: random.Random) -> bytes:
    start, end = _block(data, chance)
    return data[:end] + data[start:end] * chance.randint(1, 4) + data[end:]


def _zero(data: bytes, chance: random.Random) -> bytes:
    start, end = _block(data, chance)
    return data[:start] + bytes(end - start) + data[end:]


def _insert(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + chance.randbytes(chance.randint(1, 500)) + data[place:]


def _block(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data))
    return start, min(len(data), start + chance.randint(1, 5000))


DAMAGE: Sequence[Callable[[bytes, random.Random], bytes]] = (_flip, _flip, _cut, _repeat, _zero, _insert)
