"""Backfills: what is in a store is done again, by another parser, routing rule or model, while it is in use."""
