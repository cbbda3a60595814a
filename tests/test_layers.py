"""The import rules of the house, read from the source of every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OWNERS = {  # library -> the only places that may import it
    "prefect": ("flows/",),
    "lancedb": ("pipeline/store/",),
    "lance": ("pipeline/store/",),
    "pyarrow": ("pipeline/store/",),
    **dict.fromkeys(
        ["torch", "transformers", "sentence_transformers", "onnxruntime", "openvino", "rapidocr"], ("pipeline/embed/",)
    ),
    "pymupdf": ("pipeline/parse/",),
    "unstructured": ("pipeline/parse/",),
    "resvg_py": ("pipeline/parse/",),
    **dict.fromkeys(["fsspec", "s3fs", "httpcore", "protego", "playwright"], ("pipeline/sources/",)),
    "httpx": ("pipeline/sources/", "flows/"),
    **dict.fromkeys(["starlette", "fastapi", "jinja2", "anyio"], ("browse/",)),
    "uvicorn": ("browse/", "flows/"),
}
SHARED = {"pipeline", "pipeline.types", "pipeline.errors", "pipeline.config", "pipeline.s3_environment"}
STAGES = ("sources", "parse", "route", "chunk", "embed", "store", "score", "settings_file", "thumbnail")
DOORS = ("flows", "cli", "browse")


def breaches(path: str, source: str) -> Iterator[str]:
    """Every import in `source`, the module at `path`, that breaks a rule."""
    stage = path.split("/")[1].removesuffix(".py") if path.startswith("pipeline/") else ""
    for name, at_top in imports(source):
        library = name.split(".")[0]
        if library in OWNERS and not path.startswith(OWNERS[library]):
            yield f"{path} imports {name}"
        if stage and library in DOORS:
            yield f"{path} imports {name}: the core never imports a door"
        own = f"pipeline.{stage}"
        inside = name == own or name.startswith(own + ".")
        if stage in STAGES and library == "pipeline" and not inside and name not in SHARED:
            yield f"{path} imports {name}: a stage imports no other stage"
        if path.startswith("browse/") and library in ("flows", "cli"):
            yield f"{path} imports {name}: a door imports no other door"
        if path.startswith("cli/") and library in ("flows", "browse") and at_top:
            yield f"{path} imports {name} at its top: a search would start slowly"


def imports(source: str) -> Iterator[tuple[str, bool]]:
    """(module, is it imported when the file is) for every import, those inside functions too."""
    tree = ast.parse(source)
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            packages = node.module == "pipeline"
            yield from ((f"pipeline.{a.name}" if packages else node.module, id(node) in top) for a in node.names)


def test_every_module_keeps_the_import_rules() -> None:
    """The way of the data has no loops, and each library has one owner."""
    found = [
        breach
        for folder in ("pipeline", *DOORS)
        for file in sorted((ROOT / folder).rglob("*.py"))
        for breach in breaches(file.relative_to(ROOT).as_posix(), file.read_text())
    ]

    assert found == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("pipeline/search.py", "import lancedb"),
        ("pipeline/route.py", "from pipeline.parse import ParseOptions"),
        ("pipeline/parse/pdf.py", "from pipeline.store import open_store"),
        ("pipeline/store/corpus.py", "def f():\n    import torch"),
        ("pipeline/ingest/run.py", "from prefect import flow"),
        ("pipeline/ingest/run.py", "from flows.ingest import ingest"),
        ("pipeline/embed/ocr.py", "import pymupdf"),
        ("pipeline/embed/ocr.py", "from pipeline import route"),
        ("cli/search.py", "from flows.ingest import ingest"),
        ("cli/browse.py", "from browse.serve import serve"),
        ("browse/app.py", "from cli.output import one_line"),
        ("pipeline/search.py", "from starlette.requests import Request"),
        ("cli/search.py", "import unstructured.partition.html"),
        ("flows/ingest.py", "import pyarrow as pa"),
    ],
)
def test_a_broken_rule_is_seen(path: str, source: str) -> None:
    """Each rule of the house fails the test when it is broken."""
    assert list(breaches(path, source)) != []
