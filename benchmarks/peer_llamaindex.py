"""LlamaIndex's ingestion pipeline over a folder of text files, as its documentation has it. Knows nothing of docmill.

    PYTHON benchmarks/peer_llamaindex.py ingest FOLDER MODEL INDEX             # again: only what is new
    PYTHON benchmarks/peer_llamaindex.py search QUERIES.json MODEL INDEX       # {id: [file name, best first]}

PYTHON is an interpreter with `llama-index-core` and `llama-index-embeddings-huggingface`, MODEL the folder of a
sentence-transformers model. Everything is what the classes do without arguments, but for the size of chunks: 200 tokens
(docmill's too) and no overlap, where 1,024 would be cut off by the model after 256.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from llama_index.core import Settings, SimpleDirectoryReader, StorageContext, load_index_from_storage
from llama_index.core.indices import VectorStoreIndex
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

TOKENS = 200
TOP = 100


def ingest(folder: str, model: HuggingFaceEmbedding, home: Path) -> dict[str, int]:
    """Read, cut, embed and store; with a document store what has not changed is left out."""
    documents = SimpleDirectoryReader(folder, recursive=True, filename_as_id=True).load_data()
    splitter = SentenceSplitter(chunk_size=TOKENS, chunk_overlap=0)
    pipeline = IngestionPipeline(
        transformations=[splitter, model],
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.DUPLICATES_ONLY,  # the other needs a vector store that is a server
    )
    is_new = not (home / "pipeline").exists()
    if not is_new:
        pipeline.load(str(home / "pipeline"))
    nodes = pipeline.run(documents=documents)
    if is_new:
        index = VectorStoreIndex(nodes, embed_model=model)
    else:
        index = load_index_from_storage(StorageContext.from_defaults(persist_dir=str(home / "index")))
        index.insert_nodes(nodes)
    index.storage_context.persist(str(home / "index"))
    pipeline.persist(str(home / "pipeline"))
    return {"documents": len(documents), "chunks": len(nodes)}


def search(queries: dict[str, str], home: Path) -> dict[str, list[str]]:
    index = load_index_from_storage(StorageContext.from_defaults(persist_dir=str(home / "index")))
    retriever = index.as_retriever(similarity_top_k=TOP)
    return {id: [hit.node.metadata["file_name"] for hit in retriever.retrieve(text)] for id, text in queries.items()}


def main() -> None:
    what, of, model, home = sys.argv[1:]
    Settings.llm = None
    Settings.embed_model = HuggingFaceEmbedding(model_name=model, device="cpu")
    if what == "ingest":
        print(json.dumps(ingest(of, Settings.embed_model, Path(home))))
    else:
        print(json.dumps(search(json.loads(Path(of).read_text(encoding="utf-8")), Path(home))))


if __name__ == "__main__":
    main()
