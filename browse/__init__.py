"""`docmill browse`: a local web page to look at a store, its routing and its search.

It shows what the core (`pipeline/`) knows and writes two things only: labels of routes, and that quarantined documents
are to be tried again. What it shows comes from documents that anybody may have written: every value is escaped by the
templates, pictures are drawn anew, and no document is ever served as it is.
"""
