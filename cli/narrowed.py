"""The options that narrow a search, shared by the commands that search."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

import click

from pipeline.errors import UsageError
from pipeline.filters import ROUTES, Filter
from pipeline.scope import KINDS, LEGS, Scope

P = ParamSpec("P")


def scope_options(command: Callable[Concatenate[Scope, P], int | None]) -> Callable[P, int | None]:
    """Adds `-k`, `--modality`, `--legs` and the filters; the command gets them as its first argument, a `Scope`."""

    @click.option("-k", "k", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Number of hits.")
    @click.option("--modality", type=click.Choice(KINDS), help="Only rows of this kind.")
    @click.option(
        "--source",
        multiple=True,
        metavar="FILE|FOLDER|URI",
        help="Only from this source or below it; with * a pattern over URIs, such as '*/2026/*.pdf'. May be repeated.",
    )
    @click.option("--on-page", metavar="N|N-M", help="Only from these pages.")
    @click.option("--since", metavar="DATE", help="Only sources changed at this time (UTC) or later.")
    @click.option("--until", metavar="DATE", help="Only sources changed before this time (UTC).")
    @click.option("--route", type=click.Choice(ROUTES), help="Only from pages that took this route.")
    @click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="Only with this metadata. May be repeated.")
    @click.option("--where", metavar="SQL", help="Only rows for which this holds, such as: media_type = 'text/html'")
    @click.option("--legs", metavar="A,B", help=f"Only these legs: {', '.join(LEGS)}.  [default: all]")
    @functools.wraps(command)
    def with_scope(*args: P.args, **kwargs: P.kwargs) -> int | None:
        options: dict[str, Any] = dict(kwargs)
        given = {name: options.pop(name) for name in ("source", "since", "until", "route", "where")}
        narrowed = Filter(page=options.pop("on_page"), metadata=dict(map(_pair, options.pop("metadata"))), **given)
        legs = options.pop("legs")
        chosen = tuple(leg.strip() for leg in legs.split(",")) if legs is not None else LEGS
        scope = Scope(options.pop("k"), options.pop("modality"), legs=chosen, filter=narrowed)
        return command(scope, *args, **options)

    return with_scope


def _pair(given: str) -> tuple[str, str]:
    key, sign, value = given.partition("=")
    if not sign or not key:
        raise UsageError(f"--metadata {given[:60]!r}: metadata is given as KEY=VALUE")
    return key, value
