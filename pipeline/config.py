"""Settings: one frozen model, filled from defaults, `docmill.toml`, `DOCMILL_*` variables and flags, in rising order."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(Section):
    """What one document may cost. Every value is finite: documents are untrusted."""

    file_mb: int = Field(512, gt=0, description="larger files are skipped, with the reason in the ledger")
    document_s: float = Field(600, gt=0, description="seconds of parsing a document may take")
    page_s: float = Field(60, gt=0, description="seconds of parsing one page may take; the worker is killed after it")
    memory_mb: int = Field(1536, ge=1024, description="address space of one parse worker")
    pages: int = Field(20_000, gt=0, description="pages (slides, sheets, frames) of a document")
    picture_mpx: float = Field(100, gt=0, description="megapixels of one picture, checked before it is decoded")
    pictures: int = Field(500, gt=0, description="pictures kept of one document")
    text_mb: int = Field(64, gt=0, description="text taken from one document")
    archive_ratio: int = Field(100, gt=0, description="unpacked size over packed size of docx, xlsx, epub and the like")
    archive_members: int = Field(10_000, gt=0, description="files inside such an archive")
    archive_mb: int = Field(1024, gt=0, description="unpacked size of such an archive")
    attachment_depth: int = Field(4, ge=0, description="attachments inside attachments")
    attachments: int = Field(200, ge=0, description="attachments of one document")


class Sources(Section):
    include: tuple[str, ...] = Field((), description="only files that match one of these patterns (.gitignore syntax)")
    exclude: tuple[str, ...] = Field((), description="files left out, beside those in `.docmillignore`")
    hidden: bool = Field(False, description="take hidden files and folders too")
    passwords: tuple[str, ...] = Field((), description="tried in order on encrypted documents", repr=False)


class Chunks(Section):
    tokens: int = Field(200, ge=16, description="aim of a passage's length; the embedder's own budget is the cap")


class Pages(Section):
    dpi: int = Field(150, ge=50, le=600, description="resolution of page pictures for OCR and late interaction")
    pooling: int = Field(4, ge=1, le=16, description="mean of so many neighbouring token vectors; 1 keeps all")


class SearchWeights(Section):
    """Weights of the legs in reciprocal rank fusion."""

    text: float = Field(1.0, ge=0)
    image: float = Field(0.9, ge=0)
    page: float = Field(1.0, ge=0)
    maxsim: float = Field(1.0, ge=0)
    bm25: float = Field(1.0, ge=0)


class Settings(Section):
    """All settings. `docmill config` prints what is in force and where each value came from."""

    store: str = Field("./docmill-data", min_length=1, description="database directory or object-store URI")
    unified: str = Field("builtin", description="embedder of passages and pictures")
    pages_model: str = Field("builtin", alias="pages", description="embedder of page pictures")
    workers: int = Field(0, ge=0, le=256, description="parse workers; 0 means one a core")
    batch_documents: int = Field(64, ge=1, le=500, description="documents in one task and one commit")
    sources: Sources = Sources()
    limits: Limits = Limits()
    chunks: Chunks = Chunks()
    page: Pages = Pages()
    search: SearchWeights = SearchWeights()
