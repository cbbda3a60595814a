"""docmill's core: files in, one searchable LanceDB table out."""

__version__ = "0.1.0"
