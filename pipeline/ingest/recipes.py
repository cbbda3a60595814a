"""The recipes of a run: what its settings, its models and this version of docmill make of a document."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.chunk import CHUNKER_VERSION
from pipeline.config import Settings
from pipeline.embed import PageModel, Unified
from pipeline.embed.choices import choices_of
from pipeline.embed.ocr import Ocr
from pipeline.embed.pages import load_pages
from pipeline.embed.unified import load_unified
from pipeline.ingest.context import CONTEXT_VERSION
from pipeline.ingest.plan import Recipes, Versions, make_recipes
from pipeline.page_vector import PAGE_VECTOR_VERSION
from pipeline.parse import PARSER_VERSION
from pipeline.route import ROUTER_VERSION


def recipes_of(settings: Settings, unified: Unified, pages: PageModel) -> Recipes:
    """The recipes a run with these settings and models works by."""
    versions = Versions(PARSER_VERSION, ROUTER_VERSION, CHUNKER_VERSION, f"{CONTEXT_VERSION}-{PAGE_VECTOR_VERSION}")
    return make_recipes(settings, (unified.id, pages.id, unified.pictures_id), versions, pages.reader.id)


def load_named(settings: Settings, dtypes: Mapping[str, str], accepted: tuple[str, ...]) -> tuple[Unified, PageModel]:
    """The embedders these settings name, for a table whose models compute in `dtypes` (by model name) and for which the
    licences `accepted` were accepted. Cheap: weights load when they are first asked to embed.

    Raises `UsageError` for names and OCR languages that nothing on this machine stands behind.
    """
    reader = Ocr(settings.ocr.language, settings.ocr.models)
    choices = choices_of(settings, dtypes, accepted)
    pages = load_pages(settings.pages_model, choices, threads=0, pooling=settings.page.pooling, reader=reader)
    return load_unified(settings.unified, choices, threads=0), pages
