"""Settings: one frozen model from defaults, `docmill.toml`, `DOCMILL_*` variables and flags, in rising order."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Limits(Section):
    """What one document may cost. Every value is finite: documents are untrusted."""

    file_mb: int = Field(default=512, gt=0, description="larger files are skipped, with the reason in the ledger")
    document_s: float = Field(default=600, gt=0, description="seconds of parsing a document may take")
    page_s: float = Field(default=60, gt=0, description="seconds for one page; its worker is killed after it")
    memory_mb: int = Field(default=1536, ge=1024, description="address space of one parse worker")
    pages: int = Field(default=20_000, gt=0, description="pages (slides, sheets, frames) of a document")
    picture_mpx: float = Field(default=100, gt=0, description="megapixels of one picture, checked before it is decoded")
    pictures: int = Field(default=500, gt=0, description="pictures kept of one document")
    text_mb: int = Field(default=64, gt=0, description="text taken from one document")
    archive_ratio: int = Field(default=100, gt=0, description="unpacked over packed size (docx, xlsx, epub)")
    archive_members: int = Field(default=10_000, gt=0, description="files inside such an archive")
    archive_mb: int = Field(default=1024, gt=0, description="unpacked size of such an archive")
    attachment_depth: int = Field(default=4, ge=0, description="attachments inside attachments")
    attachments: int = Field(default=200, ge=0, description="attachments of one document")


class Sources(Section):
    include: tuple[str, ...] = Field(default=(), description="take only files that match (.gitignore syntax)")
    exclude: tuple[str, ...] = Field(default=(), description="files left out, beside those in `.docmillignore`")
    hidden: bool = Field(default=False, description="take hidden files and folders too")
    mass_delete: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="a run stops before it deletes more than this share of a folder's documents",
    )
    passwords: tuple[str, ...] = Field(default=(), description="tried in order on encrypted documents", repr=False)


class Web(Section):
    """How web sources are fetched; `docs/web.md` says what each part is for."""

    contact: str = Field(default="", description="URL or mail address that sites are told, in the User-Agent")
    depth: int = Field(default=0, ge=0, le=100, description="links of the same host followed from a page that is named")
    max_pages: int = Field(default=1000, gt=0, description="pages and files taken of one source; the rest is skipped")
    hosts: int = Field(default=4, ge=1, le=64, description="hosts asked at the same time")
    per_host: int = Field(default=2, ge=1, le=16, description="requests to one host at the same time")
    delay_s: float = Field(default=0.5, ge=0, le=60, description="seconds between two requests to one host, at least")
    robots: bool = Field(default=True, description="do what robots.txt asks for")
    allow: tuple[str, ...] = Field(
        default=(), description="hosts, addresses and networks that may be fetched from though they are not public"
    )
    proxy: str = Field(default="", repr=False, description="URL of a proxy; proxy variables are not looked at")
    size_mb: float = Field(default=100, gt=0, le=4096, description="size of one page or file, unpacked")
    connect_s: float = Field(default=10, gt=0, description="seconds until a server is connected and begins to answer")
    response_s: float = Field(default=120, gt=0, description="seconds that one answer may take in all")
    gone_after: int = Field(default=2, ge=1, description="runs in which a page must be gone (404, 410) to be deleted")
    pictures: int = Field(default=30, ge=0, le=500, description="pictures fetched of one page; 0 fetches none")
    picture_mb: float = Field(default=10, gt=0, description="size of one of them")
    browser: bool = Field(default=False, description="render pages that scripts make with an installed Chromium")
    screenshot: bool = Field(default=False, description="take what such pages look like as pages, too")
    chromium: str = Field(default="", description="where Chromium is; by default the first on the PATH")


class Chunks(Section):
    tokens: int = Field(default=200, ge=16, description="aim of a passage; the embedder's own budget caps it")


class Pages(Section):
    dpi: int = Field(default=150, ge=50, le=600, description="resolution of page pictures for OCR and late interaction")
    pooling: int = Field(
        default=0,
        ge=0,
        le=16,
        description="so many vectors of a page become one; 1 keeps all, 0 is the model's default",
    )


class OcrSettings(Section):
    """What pages without a text layer are read with; `docs/ocr.md` says which languages that covers."""

    language: str = Field(
        default="default",
        pattern=r"^[A-Za-z_]{2,20}$",
        description="default: all that the built-in models read; korean, cyrillic, ... need ocr.models",
    )
    models: str = Field(default="", description="folder with OCR models of your own (.onnx); empty: the built-in ones")
    store: str = Field(default="", description="another store, from which the words of pages it has read are taken")


class Model(Section):
    """How hub models and models in folders run; the built-in ones need none of it."""

    dims: int = Field(
        default=0, ge=0, le=16_384, description="first dimensions that are kept (Matryoshka); 0 keeps all"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(default="auto", description="where models run; auto: a GPU")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="auto: what the store was made with, else half on a GPU and float32 on a CPU"
    )
    batch: int = Field(default=0, ge=0, le=4096, description="texts or pictures in one pass; 0 finds it by trial")


class OwnModel(Section):
    """A model of the user's own, with the fields of the catalog: `[models.NAME]`."""

    task: Literal["unified", "pictures", "text"]
    repository: str = Field(min_length=1, description="repository of the hub, or a folder")
    commit: str = ""
    loader: Literal["sentence-transformers", "clip", "nomic", "remote"] = "sentence-transformers"
    second: str = ""
    second_commit: str = ""
    dim: int = Field(default=0, ge=0)
    dims: tuple[int, ...] = ()
    context: int = Field(default=0, ge=0)
    parameters: str = ""
    languages: str = ""
    query: str | None = None
    passage: str | None = None
    legs: tuple[str, ...] = ()
    licence: str = "not told"
    commercial: bool = True
    needs: tuple[str, ...] = ()
    figures: str = ""
    fits: str = ""
    note: str = ""


class SearchWeights(Section):
    """Weights of the legs when their rankings are fused."""

    text: float = Field(default=1.0, ge=0, description="passages by their vectors")
    image: float = Field(default=0.9, ge=0, description="pictures by their vectors")
    page: float = Field(default=1.0, ge=0, description="pages by their single vectors")
    maxsim: float = Field(default=1.0, ge=0, description="pages by late interaction")
    bm25: float = Field(default=1.0, ge=0, description="words, over all rows")


CRON = r"^\s*$|^\s*(\S+\s+){4}\S+\s*$"


class Schedule(Section):
    """When `docmill serve` does what by itself: cron lines of five fields; an empty one means never."""

    sources: tuple[str, ...] = Field(default=(), description="what a scheduled ingest reads")
    ingest: str = Field(default="", pattern=CRON, description="cron line of the ingest of `schedule.sources`")
    maintain: str = Field(default="30 2 * * *", pattern=CRON, description="cron line of the upkeep of the store")
    retry: str = Field(default="", pattern=CRON, description="cron line of another try at what is in quarantine")
    canary: str = Field(default="", pattern=CRON, description="cron line of the canary's questions")
    timezone: str = Field(default="UTC", min_length=1, description="time zone of the cron lines")
    overlap: Literal["cancel", "queue"] = Field(
        default="cancel", description="what happens to a run whose predecessor is still at work"
    )


class Canary(Section):
    """Known questions that are asked again: a guard against searches that find less than they did."""

    questions: int = Field(default=40, ge=0, le=1000, description="questions sampled from the corpus itself")
    file: str = Field(default="", description='your own questions: lines of {"text": ..., "source_uri": ...}')
    drop: float = Field(default=0.1, ge=0, le=1, description="recall@10 may fall by so much before a run fails")
    gate: bool = Field(default=False, description="ask them after each ingest, backfill and upkeep, too")


class Serve(Section):
    """`docmill serve`: the Prefect server, its UI and its worker."""

    host: str = Field(default="127.0.0.1", min_length=1, description="address that the server listens on")
    port: int = Field(default=4200, ge=1, le=65_535, description="port of the server and its UI")
    auth: str = Field(default="", description="`user:password` of the server; needed beyond this machine", repr=False)
    home: str = Field(default="./docmill-server", min_length=1, description="folder of the server's database")
    pool: str = Field(default="docmill", min_length=1, description="Prefect work pool that the worker takes runs from")
    runs: int = Field(default=4, ge=1, le=256, description="flow runs that the worker has at a time")


class Browse(Section):
    """`docmill browse`: a web page to look at the store."""

    host: str = Field(default="127.0.0.1", min_length=1, description="address that the page listens on")
    port: int = Field(default=4280, ge=1, le=65_535, description="port of the page")
    token: str = Field(default="", description="what visitors must know; needed beyond this machine", repr=False)
    hosts: tuple[str, ...] = Field(default=(), description="names that the page is called by, beside its address")


class Backfill(Section):
    """How documents are done again beside the schedule."""

    share: float = Field(default=1.0, gt=0, le=1, description="share of the time that a backfill works")
    recall: float = Field(
        default=0.9, ge=0, le=1, description="least recall of a new model, as a share of the old one's, for the switch"
    )
    keep_days: float = Field(default=7, ge=0, description="days that vectors of the model before are kept")
    rows: int = Field(default=256, ge=1, le=10_000, description="rows that get another model's vectors in one commit")
    attempts: int = Field(default=3, ge=1, le=20, description="times a shard is started before the run fails")


class Settings(Section):
    """All settings. `docmill config` prints what is in force and where each value came from."""

    store: str = Field(default="./docmill-data", min_length=1, description="database directory or object-store URI")
    unified: str = Field(default="builtin", min_length=1, description="embedder of passages and pictures")
    text: str = Field(default="", description="embedder of passages beside a `unified` that is for pictures only")
    pages_model: str = Field(default="builtin", alias="pages", min_length=1, description="embedder of page pictures")
    rerank: str = Field(default="", description="cross-encoder that reads the best passages again; none by default")
    accept_noncommercial: bool = Field(default=False, description="take models whose licence forbids commercial use")
    remote_code: tuple[str, ...] = Field(
        default=(), description="code of models that may run: MODEL-REVISION:CODE-REVISION, as its refusal says it"
    )
    workers: int = Field(default=0, ge=0, le=256, description="parse workers; 0 means one a core")
    lock_wait_s: float = Field(default=1800, ge=0, description="seconds a run waits for another one on the same store")
    retries: int = Field(
        default=2, ge=0, le=10, description="times a failure that may pass is tried again within a run"
    )
    keep_days: float = Field(
        default=7, ge=0, description="days that `docmill maintain` keeps old versions of the tables"
    )
    batch_documents: int = Field(default=64, ge=1, le=500, description="documents in one task and one commit")
    batch_mb: int = Field(default=8, ge=1, le=4096, description="size of the files of one batch, unless it is one file")
    sources: Sources = Sources()
    web: Web = Web()
    limits: Limits = Limits()
    chunks: Chunks = Chunks()
    page: Pages = Pages()
    ocr: OcrSettings = OcrSettings()
    model: Model = Model()
    models: dict[str, OwnModel] = Field(default={}, description="models of your own, by name; fields as in the catalog")
    search: SearchWeights = SearchWeights()
    schedule: Schedule = Schedule()
    canary: Canary = Canary()
    serve: Serve = Serve()
    browse: Browse = Browse()
    backfill: Backfill = Backfill()
