"""`docmill similar`: what is like a row that is in the store already. Loads no model."""

from __future__ import annotations

import click

from cli.hits import print_answer
from cli.narrowed import scope_options
from cli.output import Common, common_options, console
from cli.search import print_json
from pipeline.corpus import open_searcher
from pipeline.scope import Scope


@click.command()
@click.argument("id")
@click.option("--explain", is_flag=True, help="Show rank and score of each hit in each leg.")
@scope_options
@common_options
def similar(common: Common, scope: Scope, id: str, explain: bool) -> int | None:
    """Find what is like the row ID: passages like a passage, pictures like a picture, pages like a page, and others
    that fit.

    `docmill search --json` and `docmill rows --json` tell ids. The row itself is left out. With --json one line
    {"id": ID, "hits": [...]}, as of `docmill search`.
    """
    answer = open_searcher(common.settings).answer_similar(id, scope)
    if common.json:
        print_json(id, answer)
    else:
        print_answer(console(), answer, "", explain)
    return None
