"""The main job: puts the stages together into one run."""

from pipeline.ingest.accounts import Summary
from pipeline.ingest.open import models_of, open_ingest
from pipeline.ingest.run import Embedded, Ingest, Plan

__all__ = ["Embedded", "Ingest", "Plan", "Summary", "models_of", "open_ingest"]
